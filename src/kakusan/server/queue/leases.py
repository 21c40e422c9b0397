"""What a worker writes of a job that it holds. Whoever holds an older lease writes nothing."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, case, delete, insert, select, update

from kakusan.server.queue.errors import LeaseLost
from kakusan.server.queue.job import ROWS, Job, State, Stop, StoredPicture
from kakusan.server.queue.rows import job_of, storable
from kakusan.server.queue.schema import jobs, pictures, results
from kakusan.server.queue.transaction import Transaction

_LONGEST_ERROR = 1000  # characters
# Of a job that is given back as if it had not been begun this time
NOT_BEGUN = {"attempts": jobs.c.attempts - 1, "vain": jobs.c.vain - 1}


def renew(
    t: Transaction, job: Job, lease_s: float, step: int | None, steps: int | None
) -> Stop | None:
    """Hold a job for another while, and say how it is asked to end.

    Raises:
        LeaseLost: Another holds it.
    """
    values: dict[str, Any] = {"lease_until": t.now + lease_s}
    if step is not None:
        further = step > jobs.c.reached
        values |= {
            "step": step,
            "reached": case((further, step), else_=jobs.c.reached),
            "vain": case((further, 1), else_=jobs.c.vain),
        }
        t.touched.append(job.id)
    if steps is not None:
        values["steps"] = steps
    held = update(jobs).where(_held(job)).values(values).returning(jobs.c.stop)
    row = t.connection.execute(held).first()
    if row is None:
        raise _lost(job)
    return None if row.stop is None else Stop(row.stop)


def add_picture(t: Transaction, job: Job, picture: StoredPicture) -> None:
    """Keep a finished picture, once for each number; a job that gives pictures gets further.

    Raises:
        LeaseLost: Another holds the job.
    """
    held = update(jobs).where(_held(job)).values(vain=1).returning(jobs.c.client)
    row = t.connection.execute(held).first()
    if row is None:
        raise _lost(job)
    values = {
        "job": job.id,
        "number": picture.index,
        "file": picture.file,
        "sha256": picture.sha256,
        "size": picture.size,
        "width": picture.width,
        "height": picture.height,
        "record": picture.record,
    }
    added = t.insert(pictures).values(values).on_conflict_do_nothing()
    if t.connection.scalar(added.returning(pictures.c.file)) is not None:
        t.happened(job.id, row.client, "picture", {"index": picture.index})
        return
    own = (pictures.c.job == job.id) & (pictures.c.number == picture.index)
    if t.connection.scalar(select(pictures.c.file).where(own)) != picture.file:
        t.unkept.append(picture.file)


def finish(t: Transaction, job: Job, state: State, error: str | None, result: bytes | None) -> Job:
    """End a job. One that was asked to be cancelled is cancelled, however far it came.

    Args:
        result: of a row of a table.

    Raises:
        LeaseLost: Another holds it.
    """
    told = None if error is None else storable(error, _LONGEST_ERROR)
    cancelled = jobs.c.stop == Stop.CANCEL
    ended = t.connection.scalar(
        update(jobs)
        .where(_held(job))
        .values(
            state=case((cancelled, State.CANCELLED), else_=state),
            error=case((cancelled, None), else_=told),
            finished=t.wall,
            step=case((cancelled, jobs.c.step), else_=_all_steps(state)),
            lease_owner=None,
            lease_until=None,
        )
        .returning(jobs.c.state)
    )
    after = job_of(t.connection, job.id)
    if after is None or (ended is None and not _was_ended(after, job)):
        raise _lost(job)
    if ended is not None:
        if result is not None and after.state is not State.CANCELLED:
            t.connection.execute(insert(results).values(job=job.id, data=result))
        closed(t, after)
        after = job_of(t.connection, job.id)
        assert after is not None
    return after


def closed(t: Transaction, job: Job) -> None:
    """What the end of a job leads to."""
    if job.state is State.CANCELLED:
        drop_pictures(t, job.id)
    t.ended.append(job.id)
    data = {"error": job.error} if job.error is not None else {}
    t.happened(job.id, job.submission.client, job.state, data)


def drop_pictures(t: Transaction, id: str) -> None:
    """Let a job have no pictures; their files go once that is committed."""
    gone = delete(pictures).where(pictures.c.job == id).returning(pictures.c.file)
    t.unkept.extend(t.connection.scalars(gone))


def release(t: Transaction, job: Job, error: str | None, most_attempts: int) -> None:
    """Give a job back as if it had not been begun this time; after an error, as if it had.

    Raises:
        LeaseLost: Another holds it.
    """
    if error is None:
        given = back_or_ended(t, job.id, _held(job), State.QUEUED, NOT_BEGUN)
    else:
        failed = case((jobs.c.vain >= most_attempts, State.FAILED), else_=State.QUEUED)
        told = {"error": storable(error, _LONGEST_ERROR)}
        given = back_or_ended(t, job.id, _held(job), failed, told)
    if not given:
        after = job_of(t.connection, job.id)
        if after is None or after.fence != job.fence or after.state is State.RUNNING:
            raise _lost(job)


def back_or_ended(
    t: Transaction,
    id: str,
    condition: ColumnElement[bool],
    state: State | ColumnElement[str],
    values: Mapping[str, Any],
) -> bool:
    """Take a job from its worker: `state`, but one that is to stop ends with what it has."""
    drawn = select(pictures.c.job).where(pictures.c.job == jobs.c.id).exists()
    stopped = case(
        (jobs.c.stop.is_(None), state),
        ((jobs.c.stop == Stop.INTERRUPT) & drawn, State.DONE),
        else_=State.CANCELLED,
    )
    step = case((jobs.c.dialect == ROWS, 0), else_=jobs.c.step)  # rows begin anew
    changed = (
        update(jobs)
        .where(condition)
        .values(state=stopped, lease_owner=None, lease_until=None, step=step, **values)
    )
    if t.connection.execute(changed).rowcount != 1:
        return False
    after = job_of(t.connection, id)
    assert after is not None
    if after.state.is_final:
        t.connection.execute(update(jobs).where(jobs.c.id == id).values(finished=t.wall))
        closed(t, after)
    else:
        t.happened(id, after.submission.client, State.QUEUED)
    return True


def _held(job: Job) -> ColumnElement[bool]:
    running = jobs.c.state == State.RUNNING
    return (jobs.c.id == job.id) & (jobs.c.fence == job.fence) & running


def _all_steps(state: State) -> ColumnElement[int]:
    return jobs.c.steps if state is State.DONE else jobs.c.step


def _was_ended(after: Job, job: Job) -> bool:
    """Whether an earlier try of the same write did go through."""
    return after.fence == job.fence and after.state.is_final and after.attempts == job.attempts


def _lost(job: Job) -> LeaseLost:
    return LeaseLost(f"job {job.id} is held by another worker, or has ended: nothing is written")
