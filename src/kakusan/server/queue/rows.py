"""From rows of the tables to jobs, and what is asked of them."""

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, func, select

from kakusan.server.queue.ids import is_id
from kakusan.server.queue.job import Event, Job, RowResult, State, Stop, StoredPicture, Submission
from kakusan.server.queue.schema import events, jobs, pictures, results


def job_of(connection: Connection, id: str) -> Job | None:
    """The job of an id, whatever text that is."""
    if not is_id(id):
        return None
    found = jobs_where(connection, jobs.c.id == id)
    return found[0] if found else None


def jobs_where(
    connection: Connection, *conditions: ColumnElement[bool], limit: int | None = None
) -> list[Job]:
    """Jobs that meet some conditions, the newest first."""
    chosen = select(jobs).where(*conditions).order_by(jobs.c.id.desc()).limit(limit)
    rows = connection.execute(chosen).all()
    own: dict[str, list[StoredPicture]] = {row.id: [] for row in rows}
    if rows:
        theirs = select(pictures).where(pictures.c.job.in_(own)).order_by(pictures.c.number)
        for row in connection.execute(theirs):
            own[row.job].append(_picture(row))
    return [_job(row, own[row.id]) for row in rows]


def _job(row: Row[Any], own: Sequence[StoredPicture]) -> Job:
    submission = Submission(
        request=row.request,
        inputs=tuple(row.inputs),
        client=row.client,
        dialect=row.dialect,
        priority=row.priority,
        key=row.key,
        body_hash=row.body_hash,
        note=row.note,
    )
    return Job(
        id=row.id,
        state=State(row.state),
        submission=submission,
        position=row.position,
        created=row.created,
        started=row.started,
        finished=row.finished,
        attempts=row.attempts,
        fence=row.fence,
        step=row.step,
        steps=row.steps,
        stop=None if row.stop is None else Stop(row.stop),
        error=row.error,
        pictures=tuple(own),
    )


def _picture(row: Row[Any]) -> StoredPicture:
    return StoredPicture(
        index=row.number,
        file=row.file,
        sha256=row.sha256,
        size=row.size,
        width=row.width,
        height=row.height,
        record=row.record,
    )


def state_counts(connection: Connection) -> Mapping[State, int]:
    """How many jobs there are in each state."""
    counted = select(jobs.c.state, func.count()).group_by(jobs.c.state)
    found: dict[str, int] = {row[0]: row[1] for row in connection.execute(counted)}
    return {state: found.get(state, 0) for state in State}


def place_of(connection: Connection, id: str) -> int | None:
    """How many queued jobs go before a queued one by priority and position."""
    if not is_id(id):
        return None
    own = connection.execute(
        select(jobs.c.priority, jobs.c.position).where(
            jobs.c.id == id, jobs.c.state == State.QUEUED
        )
    ).first()
    if own is None:
        return None
    ahead = (jobs.c.priority > own.priority) | (
        (jobs.c.priority == own.priority) & (jobs.c.position < own.position)
    )
    counted = select(func.count()).where(jobs.c.state == State.QUEUED, ahead)
    return connection.scalar(counted) or 0


def results_of(connection: Connection, client: str, limit: int) -> list[RowResult]:
    """What became of rows of a client's table, those that have ended, the oldest first."""
    ended = jobs.c.state.not_in([State.QUEUED, State.RUNNING])
    chosen = (
        select(jobs.c.id, jobs.c.state, jobs.c.attempts, results.c.data)
        .outerjoin_from(jobs, results, results.c.job == jobs.c.id)
        .where(jobs.c.client == storable(client), ended)
        .order_by(jobs.c.id)
        .limit(limit)
    )
    return [
        RowResult(id=row.id, state=State(row.state), attempts=row.attempts, data=row.data)
        for row in connection.execute(chosen)
    ]


def unfinished_of(connection: Connection, client: str) -> Mapping[str, bool]:
    """The ids of a client's rows that wait or run, and whether each is drawn."""
    waits = jobs.c.state.in_([State.QUEUED, State.RUNNING])
    chosen = select(jobs.c.id, jobs.c.step).where(jobs.c.client == storable(client), waits)
    return {row.id: row.step > 0 for row in connection.execute(chosen)}


def events_where(
    connection: Connection, *conditions: ColumnElement[bool], limit: int
) -> list[Event]:
    """Events that meet some conditions, the oldest first."""
    chosen = select(events).where(*conditions).order_by(events.c.seq).limit(limit)
    return [
        Event(seq=row.seq, job=row.job, kind=row.kind, at=row.at, data=row.data)
        for row in connection.execute(chosen)
    ]


def searched(text: str) -> str:
    """A text as it is searched: without regard to case, width of letters and kind of spaces."""
    return " ".join(storable(unicodedata.normalize("NFKC", text).casefold()).split())


def storable(text: str, most: int | None = None) -> str:
    """A text that any database takes: without NUL and lone surrogates, and not too long."""
    kept = text.replace("\0", " ").encode("utf-8", "replace").decode()
    return kept if most is None or len(kept) <= most else f"{kept[: most - 3]}..."
