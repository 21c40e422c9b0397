"""What `benchmarks.scale` simulates: times, what draws a table, and what comes of it."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.server_load import percentile

# The program's own; tests/benchmarks/test_scale.py compares them
HANDED_IN, TAKEN = 64, 8  # rows in a transaction of a driver: handed in, and read with pictures
CLAIMED = 4  # times as many rows as are drawn together are claimed
LEASE_S, RENEWED_S, POLL_S, SWEEP_S, LOOK_S = 60.0, 2.0, 1.0, 5.0, 0.2
ATTEMPTS = 3  # of a row that ends what draws it


@dataclass(frozen=True, kw_only=True)
class Times:
    """Seconds of what is done again and again.

    Attributes:
        picture: to draw and encode one, of those that are drawn together.
        load: until a process that was begun has its model.
        begin: until a worker that was begun asks for rows.
        start: until a driver that was begun reads rows.
        read: to read and name a row of the table.
        keep: to put a picture and its line into their files.
        hand_in, claim, renew, finish, take, forget, sweep: a call of the queue; of one row for
            `hand_in`, of `TAKEN` rows for `take` and `forget`.
        ask, look: a claim where no row waits, and taking where none has ended.
        queued: that each waiting row adds to a claim.
        handed_in: that each waiting row adds to handing in one more.
        running: that each row that is drawn adds to a sweep.
        commit: for which a call that leaves events holds all others like it up.
        served: the share of a call in which the database computes; the rest is the caller's.
    """

    picture: float
    load: float = 0.0
    begin: float = 0.0
    start: float = 0.0
    read: float = 0.0
    keep: float = 0.0
    hand_in: float = 0.0
    claim: float = 0.0
    renew: float = 0.0
    finish: float = 0.0
    ask: float = 0.0
    take: float = 0.0
    look: float = 0.0
    forget: float = 0.0
    sweep: float = 0.0
    queued: float = 0.0
    handed_in: float = 0.0
    running: float = 0.0
    commit: float = 0.0
    served: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """What draws a table, and what goes wrong.

    Attributes:
        rows: of the table, a picture each.
        workers: processes that draw; with `drivers` 0 each is a shard of its own.
        drivers: that hand rows into one database.
        window: rows that a driver has in the queue at most.
        together: pictures that are drawn at a time.
        processors: calls for which the database computes at a time.
        writes: pictures a second that the storage takes from all.
        mtbf: seconds between two ends of a worker that are nobody's plan, on average.
        away: seconds until it is begun again.
        same: whether others see at once that it has ended, as on one machine.
        poison: the share of rows that end the process that draws them.
        ends: workers that are ended at a time, for a check: their numbers and seconds.
        ready: whether workers ask for rows already when the drivers are begun.
        parts: how many rows there are in each shard; else as many in each.
    """

    rows: int
    workers: int
    drivers: int = 1
    window: int = 4096
    together: int = 1
    processors: int = 2
    writes: float = math.inf
    mtbf: float = math.inf
    away: float = 0.0
    same: bool = False
    poison: float = 0.0
    ends: Sequence[tuple[int, float]] = ()
    ready: bool = False
    parts: Sequence[int] = ()


@dataclass
class Outcome:
    """What came of it.

    Attributes:
        wall: seconds from the start of the drivers until every row was told of.
        pictures: that were kept.
        again: pictures that were drawn more than once.
        failed: rows that were put aside.
        spent: seconds of workers by what they were spent on: drawing, lost (on what was not kept),
            starting, waiting (for rows) and queue (for its calls, and keeping in shards).
        depths: how many rows waited in the queue, second by second.
        calls: of the queue, how many there were of each kind.
        busy: seconds for which the database computed.
    """

    workers: int = 0
    wall: float = 0.0
    pictures: int = 0
    again: int = 0
    failed: int = 0
    spent: Counter[str] = field(default_factory=Counter[str])
    depths: list[int] = field(default_factory=list[int])
    calls: Counter[str] = field(default_factory=Counter[str])
    busy: float = 0.0

    @property
    def rate(self) -> float:
        """Pictures a second."""
        return self.pictures / self.wall

    def share(self, name: str) -> float:
        """Of all the time that there were workers, what was spent so."""
        return self.spent[name] / (self.wall * self.workers)

    @property
    def depth(self) -> tuple[float, float]:
        """Rows that waited: the mean, and what 99 % of the time was not exceeded."""
        known = self.depths or [0]
        return sum(known) / len(known), percentile(known, 99)
