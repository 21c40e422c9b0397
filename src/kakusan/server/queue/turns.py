"""Whose turn it is: by class, then fair between clients, then by position. Plain values, no clock.

A job that waits is lifted by a class every ten minutes, up to those for whom somebody waits. Its
waiting begins anew when another one of its client and priority is begun, so that a thousand old
ones do not all go first: what would starve gets a turn now and then.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from kakusan.server.queue.job import Priority

CLASS = Priority.QUEUED - Priority.BATCH
LIFT_S = 600.0
# For how long one waits for jobs of the model that is loaded, which are quicker to begin
PATIENCE_S = 30.0


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """A queued job.

    Attributes:
        since: when the oldest of its client and priority was queued, or one of them last begun.
        created: when it was queued itself.
        other: whether it needs another model than the one that is preferred.
        suspect: whether it was begun before in vain more than once; it goes alone.
    """

    id: str
    client: str
    priority: int
    position: float
    since: float
    created: float
    other: bool = False
    suspect: bool = False


@dataclass(kw_only=True)
class Turns:
    """How clients were served until now.

    Attributes:
        running: how many jobs of each client run.
        last: in which turn each client was served last.
    """

    running: dict[str, int] = field(default_factory=dict[str, int])
    last: dict[str, int] = field(default_factory=dict[str, int])

    def give(self, client: str) -> int:
        """Count a job as begun, and say which turn this was."""
        turn = max(self.last.values(), default=0) + 1
        self.running[client] = self.running.get(client, 0) + 1
        self.last[client] = turn
        return turn


def effective(priority: int, waited: float) -> int:
    """A priority with what waiting adds to it."""
    lifts = int(max(0.0, waited) // LIFT_S)
    return max(priority, min(priority + lifts * CLASS, Priority.WAITING))


def chosen(
    waiting: Iterable[Waiting],
    turns: Turns,
    *,
    limit: int,
    now: float,
    idle: bool,
    others: float = -math.inf,
) -> list[Waiting]:
    """The next jobs, in order; `turns` counts them.

    Args:
        waiting: at least the first `limit` of each client, priority and `other`.
        idle: whether whoever asks has nothing to do. A suspect, which may end the whole process,
            begins only then, and nothing begins beside it; until then it holds up those behind it.
        others: the least effective priority of jobs that need another model.
    """
    left = [job for job in waiting if not job.other or _effective(job, {}, now) >= others]
    found, begun = list[Waiting](), dict[tuple[str, int], float]()
    while left and len(found) < limit:
        best = min(left, key=lambda job: _order(job, turns, begun, now))
        if best.suspect and (found or not idle):
            break
        left.remove(best)
        found.append(best)
        begun[best.client, best.priority] = now
        turns.give(best.client)
        if best.suspect:
            break
    return found


def _order(
    job: Waiting, turns: Turns, begun: Mapping[tuple[str, int], float], now: float
) -> tuple[int, bool, int, int, float, str]:
    return (
        -_effective(job, begun, now),
        job.other and 0 <= now - job.created < PATIENCE_S,
        turns.running.get(job.client, 0),
        turns.last.get(job.client, 0),
        job.position,
        job.id,
    )


def _effective(job: Waiting, begun: Mapping[tuple[str, int], float], now: float) -> int:
    waited = now - max(job.since, begun.get((job.client, job.priority), job.since))
    return effective(job.priority, waited)
