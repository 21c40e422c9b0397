"""How much of what has ended is kept, for each client: so many jobs, so long, so many bytes."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Connection, delete, func, select

from kakusan.server.queue.job import State
from kakusan.server.queue.schema import events, idempotency, jobs, pictures
from kakusan.server.queue.transaction import Transaction

AT_ONCE = 50  # jobs deleted in one transaction, so that others get their turn
_FINAL = [state for state in State if state.is_final]
_DELETED_LIFE = 24 * 3600.0  # seconds for which it is kept that a job was deleted
_YOUNG = 60.0  # seconds after its end for which a job stays, so that who waits for it can fetch it


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What is kept of each client's ended jobs, the newest first; None is without limit.

    The newest one stays whatever its size, and each for a minute.

    Attributes:
        most_jobs: how many.
        oldest_s: how many seconds since the end.
        most_bytes: how large all their pictures together.
    """

    most_jobs: int | None = 10_000
    oldest_s: float | None = None
    most_bytes: int | None = None


class Ended(NamedTuple):
    """A job that has ended, when that was, and how large its pictures are."""

    id: str
    client: str
    finished: float
    size: int


def known(connection: Connection) -> set[str]:
    """Names of all pictures, ids of all given ones, and of jobs that have not ended."""
    told = set(connection.scalars(select(pictures.c.file)))
    told |= set(connection.scalars(select(jobs.c.id).where(jobs.c.state.not_in(_FINAL))))
    for inputs in connection.scalars(select(jobs.c.inputs).where(jobs.c.inputs != [])):
        told |= set(inputs)
    return told


def ended(connection: Connection) -> list[Ended]:
    """The jobs that have ended, the newest first."""
    size = func.coalesce(func.sum(pictures.c.size), 0)
    rows = connection.execute(
        select(jobs.c.id, jobs.c.client, jobs.c.finished, size)
        .outerjoin(pictures, pictures.c.job == jobs.c.id)
        .where(jobs.c.state.in_(_FINAL))
        .group_by(jobs.c.id, jobs.c.client, jobs.c.finished)
        .order_by(jobs.c.id.desc())
    )
    return [Ended(row[0], row[1], row[2], int(row[3])) for row in rows]


def beyond(newest_first: Iterable[Ended], limits: Limits, now: float) -> list[str]:
    """Which of some ended jobs are not kept."""
    counts, sizes, doomed = dict[str, int](), dict[str, int](), list[str]()
    for job in newest_first:
        counts[job.client] = counts.get(job.client, 0) + 1
        sizes[job.client] = sizes.get(job.client, 0) + job.size
        age = now - job.finished
        old = limits.oldest_s is not None and age > limits.oldest_s
        many = limits.most_jobs is not None and counts[job.client] > limits.most_jobs
        large = limits.most_bytes is not None and sizes[job.client] > limits.most_bytes
        if (old or many or (large and counts[job.client] > 1)) and age > _YOUNG:
            doomed.append(job.id)
    return doomed


def forget_old(t: Transaction) -> None:
    """Let go of old keys, and of what told that a job was deleted."""
    t.connection.execute(delete(idempotency).where(idempotency.c.expires <= t.now))
    old = (events.c.kind == "deleted") & (events.c.at < t.wall - _DELETED_LIFE)
    t.connection.execute(delete(events).where(old))
