"""What people do with their jobs: stop one, move one, delete some."""

from collections.abc import Sequence
from typing import Literal

from sqlalchemy import ColumnElement, case, delete, func, select, update

from kakusan.errors import InputError, shown
from kakusan.server.queue.job import ROWS, Job, State, Stop
from kakusan.server.queue.leases import closed, drop_pictures
from kakusan.server.queue.rows import job_of, jobs_where
from kakusan.server.queue.schema import events, idempotency, jobs
from kakusan.server.queue.submitting import last_position
from kakusan.server.queue.transaction import Transaction


def stop(t: Transaction, id: str, how: Stop) -> Job | None:
    """Cancel a job that waits, ask one that runs to end; one update says which of both."""
    weaker = jobs.c.stop.is_(None) | (jobs.c.stop == Stop.INTERRUPT)
    waits = jobs.c.state == State.QUEUED
    changed = t.connection.execute(
        update(jobs)
        .where(jobs.c.id == id, jobs.c.state.in_([State.QUEUED, State.RUNNING]), weaker)
        .values(
            state=case((waits, State.CANCELLED), else_=jobs.c.state),
            finished=case((waits, t.wall), else_=jobs.c.finished),
            stop=how,
        )
    )
    after = job_of(t.connection, id)
    if changed.rowcount == 1 and after is not None:
        if after.state.is_final:
            closed(t, after)
            return job_of(t.connection, id)
        t.touched.append(id)
    return after


def move(
    t: Transaction,
    id: str,
    priority: int | None,
    to: Literal["first", "last"] | None,
    before: str | None,
) -> Job | None:
    """Put a waiting job elsewhere among those of its priority; another is left as it is.

    Raises:
        InputError: There is no job to be put before.
    """
    job = job_of(t.connection, id)
    if job is None or job.state is not State.QUEUED:
        return job
    if priority is not None and priority != job.submission.priority:
        _place(t, id, priority=priority, position=last_position(t))
    if before is not None and before != id:
        _before(t, id, before)
    elif to is not None:
        _to_end(t, id, to)
    after = job_of(t.connection, id)
    if after is not None and after.state is State.QUEUED:
        t.happened(id, after.submission.client, State.QUEUED)
    return after


def _before(t: Transaction, id: str, before: str) -> None:
    """Put a job before another and into its priority; to the front if that one has begun."""
    other = job_of(t.connection, before)
    if other is None:
        raise InputError(f"there is no job {shown(before)} to be put before")
    if other.state is not State.QUEUED:
        _to_end(t, id, "first")
        return
    among = _among(other.submission.priority, id)
    place = _between(t, among, other.position)
    if place is None:  # no number lies between the two any more
        _number_anew(t, among)
        other = job_of(t.connection, before)
        assert other is not None
        place = _between(t, among, other.position)
    _place(t, id, priority=other.submission.priority, position=place)


def _between(t: Transaction, among: ColumnElement[bool], position: float) -> float | None:
    """A place just before a position; None where the numbers are too close."""
    last = select(func.max(jobs.c.position)).where(among, jobs.c.position < position)
    ahead = t.connection.scalar(last)
    if ahead is None:
        return position - 1
    middle = (ahead + position) / 2
    return middle if ahead < middle < position else None


def _number_anew(t: Transaction, among: ColumnElement[bool]) -> None:
    order = select(jobs.c.id).where(among).order_by(jobs.c.position, jobs.c.id)
    for number, id in enumerate(t.connection.scalars(order).all()):
        t.connection.execute(update(jobs).where(jobs.c.id == id).values(position=float(number)))


def _to_end(t: Transaction, id: str, to: Literal["first", "last"]) -> None:
    own = select(jobs.c.priority).where(jobs.c.id == id).scalar_subquery()
    if to == "last":
        _place(t, id, position=last_position(t))
        return
    unfinished = jobs.c.state.in_([State.QUEUED, State.RUNNING])  # one that runs may come back
    among = unfinished & (jobs.c.priority == own) & (jobs.c.id != id)
    first = t.connection.scalar(select(func.min(jobs.c.position)).where(among))
    if first is not None:
        _place(t, id, position=first - 1)


def _among(priority: int, id: str) -> ColumnElement[bool]:
    """The waiting jobs of a priority but for one."""
    queued = jobs.c.state == State.QUEUED
    return queued & (jobs.c.priority == priority) & (jobs.c.id != id)


def _place(t: Transaction, id: str, **values: float | int | None) -> None:
    waits = (jobs.c.id == id) & (jobs.c.state == State.QUEUED)
    t.connection.execute(update(jobs).where(waits).values(**values))


def remove(t: Transaction, ids: Sequence[str]) -> list[str]:
    """Forget jobs with all that belongs to them, whatever they do; says which there were."""
    found = jobs_where(t.connection, jobs.c.id.in_(ids))
    for job in found:
        drop_pictures(t, job.id)
        t.ended.append(job.id)
        for table in (events, idempotency):
            t.connection.execute(delete(table).where(table.c.job == job.id))
        t.connection.execute(delete(jobs).where(jobs.c.id == job.id))
        if job.submission.dialect != ROWS:  # whose events nobody reads
            t.happened(job.id, job.submission.client, "deleted")
    return [job.id for job in found]
