"""Which pictures take the next step: by class, fair between clients, then who is done first.

Pure policy: no torch, no clock of its own. A lane is one picture's way; lanes join and leave
between rounds. The one with the least left to do goes first: a short one does not wait for long
ones, and equal ones end one after the other and not all at the end. Between clients that holds
while none is ahead of another by more than a picture or so, and who had no turn for long is lifted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from kakusan.server.queue.job import Priority
from kakusan.server.worker.widths import Widths

CLASS = Priority.QUEUED - Priority.BATCH
LEAD = 64  # rows by which a client may be ahead: those of a guided picture of 32 steps
ROUNDS = 50  # without a step after which a lane is lifted, where they are slow
T = TypeVar("T")


@dataclass(eq=False, kw_only=True)
class Lane(Generic[T]):
    """A way under way.

    Attributes:
        of: what it is to whoever drives it.
        rows: of the UNet's calls that its step takes.
        pixels: of its picture.
        left: steps that it has to take yet.
        last: when it took a step last, or joined.
    """

    of: T
    client: str
    priority: int
    rows: int
    pixels: int
    left: int
    last: float = 0.0

    @property
    def work(self) -> int:
        """How much is left to do, to be compared with others'."""
        return self.left * self.rows * self.pixels


@dataclass
class Lanes(Generic[T]):
    """The live ones.

    Attributes:
        most_rows: that take a step together; a lane of more goes alone.
        lift_s: after so many seconds without a step a lane is lifted by a class, and so on.
        widths: whether pictures of one size are to share calls.
    """

    most_rows: int
    lift_s: float
    live: list[Lane[T]] = field(default_factory=list[Lane[T]])
    widths: Widths = field(default_factory=Widths)
    _took: float = 0.0  # seconds, the last round
    _rows: dict[str, float] = field(default_factory=dict[str, float])  # that each client was given

    def join(self, lane: Lane[T], now: float) -> None:
        """Take a lane in; it owes nothing for the time before."""
        lane.last = now
        if all(each.client != lane.client for each in self.live):
            others = [self._rows[each.client] for each in self.live]
            self._rows[lane.client] = min(others, default=0.0)
        self.live.append(lane)

    def leave(self, lane: Lane[T]) -> None:
        """Let a lane go."""
        self.live[:] = [each for each in self.live if each is not lane]
        if all(each.client != lane.client for each in self.live):
            self._rows.pop(lane.client, None)

    def chosen(self, now: float) -> list[Lane[T]]:
        """Those that take the next step: of one size, since others would share no call."""
        found, room, given = list[Lane[T]](), 0, dict(self._rows)
        classes = {id(lane): self._class(lane, now) for lane in self.live}
        for each in sorted(set(classes.values()), reverse=True):
            left = [lane for lane in self.live if classes[id(lane)] == each]
            while left:
                lane = self._next(left, given)
                left = [other for other in left if other is not lane]
                if not found:
                    room = self.most_rows if self._pays(lane) else lane.rows
                elif lane.pixels != found[0].pixels or lane.rows > room:
                    continue
                found.append(lane)
                room -= lane.rows
                given[lane.client] += lane.rows
        return found

    def _pays(self, lane: Lane[T]) -> bool:
        """Whether a lane is to have company, where there is some."""
        same = [each for each in self.live if each.pixels == lane.pixels]
        return len(same) > 1 and self.widths.together(lane.pixels)

    def _next(self, lanes: Sequence[Lane[T]], given: Mapping[str, float]) -> Lane[T]:
        """Whose turn it is, by the rows that each client was given."""
        least = min(given[lane.client] for lane in lanes)
        return min(lanes, key=lambda lane: (given[lane.client] - least >= LEAD, lane.work))

    def stepped(self, lanes: Sequence[Lane[T]], now: float, seconds: float) -> None:
        """Count a step of lanes, which took so long."""
        self._took = seconds
        rows = sum(lane.rows for lane in lanes)
        self.widths.took(lanes[0].pixels, len(lanes), rows, seconds)
        for lane in lanes:
            lane.left = max(0, lane.left - 1)
            lane.last = now
            if lane.client in self._rows:
                self._rows[lane.client] += lane.rows

    def _class(self, lane: Lane[T], now: float) -> int:
        lifts = int(max(0.0, now - lane.last) // max(self.lift_s, ROUNDS * self._took))
        return max(lane.priority, min(lane.priority + lifts * CLASS, Priority.WAITING))
