"""Which pictures take the next step: by class, fair between clients, then the least served.

Pure policy: no torch, no clock of its own. A lane is one picture's way; lanes join and leave
between rounds. Within a client, lanes that take turns are served equally often, so that a short one
ends after its own steps times the rounds that all live rows take, however long the others are.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from kakusan.server.queue.job import Priority

CLASS = Priority.QUEUED - Priority.BATCH
T = TypeVar("T")


@dataclass(eq=False, kw_only=True)
class Lane(Generic[T]):
    """A way under way.

    Attributes:
        of: what it is to whoever drives it.
        rows: of the UNet's calls that its step takes.
        last: when it took a step last, or joined.
        served: steps, counted from those of the lanes that it joined.
    """

    of: T
    client: str
    priority: int
    rows: int
    last: float = 0.0
    served: int = 0


@dataclass
class Lanes(Generic[T]):
    """The live ones.

    Attributes:
        most_rows: that take a step together; a lane of more goes alone.
        lift_s: after so many seconds without a step a lane is lifted by a class, and so on.
    """

    most_rows: int
    lift_s: float
    live: list[Lane[T]] = field(default_factory=list[Lane[T]])
    _rows: dict[str, float] = field(default_factory=dict[str, float])  # that each client was given

    def join(self, lane: Lane[T], now: float) -> None:
        """Take a lane in; it owes nothing for the time before."""
        same = [each.served for each in self.live if each.client == lane.client]
        lane.served, lane.last = min(same, default=0), now
        if not same:
            others = [self._rows[each.client] for each in self.live]
            self._rows[lane.client] = min(others, default=0.0)
        self.live.append(lane)

    def leave(self, lane: Lane[T]) -> None:
        """Let a lane go."""
        self.live[:] = [each for each in self.live if each is not lane]
        if all(each.client != lane.client for each in self.live):
            self._rows.pop(lane.client, None)

    def chosen(self, now: float) -> list[Lane[T]]:
        """Those that take the next step."""
        found, room = list[Lane[T]](), self.most_rows
        given = dict(self._rows)
        classes = {id(lane): self._class(lane, now) for lane in self.live}
        for each in sorted(set(classes.values()), reverse=True):
            left = [lane for lane in self.live if classes[id(lane)] == each]
            while left and room > 0:
                lane = min(left, key=lambda lane: (given[lane.client], lane.served))
                left = [other for other in left if other is not lane]
                if lane.rows <= room or not found:
                    found.append(lane)
                    room -= lane.rows
                    given[lane.client] += lane.rows
        return found

    def stepped(self, lanes: Sequence[Lane[T]], now: float) -> None:
        """Count a step of lanes."""
        for lane in lanes:
            lane.served += 1
            lane.last = now
            if lane.client in self._rows:
                self._rows[lane.client] += lane.rows

    def _class(self, lane: Lane[T], now: float) -> int:
        lifts = int(max(0.0, now - lane.last) // self.lift_s)
        return max(lane.priority, min(lane.priority + lifts * CLASS, Priority.WAITING))
