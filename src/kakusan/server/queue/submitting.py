"""Taking a job in: once for each key, and not more than may wait."""

import hashlib
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select

from kakusan.errors import InputError, shown
from kakusan.server.queue.errors import KeyReused, QueueFull
from kakusan.server.queue.job import ROWS, Job, State, Submission
from kakusan.server.queue.rows import job_of, searched, storable
from kakusan.server.queue.schema import idempotency, jobs
from kakusan.server.queue.transaction import Transaction

KEY_LIFE = 24 * 3600.0  # seconds for which a key stands for its job
MOST_PRIORITY = 1000


def submit(t: Transaction, submission: Submission, id: str, most_waiting: int | None) -> Job:
    """Keep a job under an id, or give the one that its key stands for.

    Raises:
        QueueFull: So many wait already.
        KeyReused: The key stands for something else.
    """
    if t.again and (job := job_of(t.connection, id)) is not None:
        return job
    if submission.key is not None and (job := _of_key(t, submission, submission.key)) is not None:
        return job
    if most_waiting is not None and _waiting(t) >= most_waiting:
        raise QueueFull(f"{most_waiting} jobs wait already, as many as may; ask again later")
    if submission.key is not None and not _hold_key(t, submission, submission.key, id):
        # another process was quicker, and has committed by now
        job = _of_key(t, submission, submission.key)
        assert job is not None
        return job
    t.connection.execute(insert(jobs).values(_values(t, submission, id)))
    t.happened(id, submission.client, State.QUEUED)
    job = job_of(t.connection, id)
    assert job is not None
    return job


def check(submission: Submission) -> None:
    """Refuse what no database would take.

    Raises:
        InputError: The client has no name that can be stored, or the priority is out of range.
    """
    for name in (submission.client, submission.dialect):
        if not name or storable(name, 200) != name:
            raise InputError(f"a client is called by 1 to 200 characters, not {shown(name)}")
    check_priority(submission.priority)


def check_priority(priority: int) -> None:
    """Raises `InputError` for a priority out of range."""
    if abs(priority) > MOST_PRIORITY:
        raise InputError(f"a priority is -{MOST_PRIORITY} to {MOST_PRIORITY}, not {priority}")


def key_hash(key: str) -> str:
    """What a key is looked up by, whatever is in it."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def held_by_key(connection: Connection, client: str, key: str) -> Job | None:
    """The job that a client's key stands for, or stood for."""
    own = (idempotency.c.client == client) & (idempotency.c.key_hash == key_hash(key))
    found = connection.scalar(select(idempotency.c.job).where(own))
    return None if found is None else job_of(connection, found)


def _of_key(t: Transaction, submission: Submission, key: str) -> Job | None:
    """The job that a key stands for; a key that is too old or whose job is deleted is let go."""
    own = (idempotency.c.client == submission.client) & (idempotency.c.key_hash == key_hash(key))
    found = t.connection.execute(select(idempotency).where(own)).first()
    if found is None:
        return None
    job = job_of(t.connection, found.job) if found.expires > t.now else None
    if job is None:
        t.connection.execute(delete(idempotency).where(own, idempotency.c.job == found.job))
    elif found.body_hash != submission.body_hash:
        raise KeyReused(
            f"the key {shown(key)} stands for another request of yours (job {job.id}); "
            "take a new key for a new request"
        )
    return job


def _hold_key(t: Transaction, submission: Submission, key: str, id: str) -> bool:
    """Let a key stand for a job, unless it stands for one."""
    row = {
        "client": submission.client,
        "key_hash": key_hash(key),
        "job": id,
        "body_hash": submission.body_hash,
        "expires": t.now + KEY_LIFE,
    }
    kept = t.insert(idempotency).values(row).on_conflict_do_nothing()
    return t.connection.scalar(kept.returning(idempotency.c.job)) is not None


def _waiting(t: Transaction) -> int:
    waits = (jobs.c.state == State.QUEUED) & (jobs.c.dialect != ROWS)
    counted = select(func.count()).where(waits)
    return t.connection.scalar(counted) or 0


def last_position(t: Transaction) -> float:
    """A place behind all that wait or run: one that runs may have to go back to its own."""
    unfinished = jobs.c.state.in_([State.QUEUED, State.RUNNING])
    return (t.connection.scalar(select(func.max(jobs.c.position)).where(unfinished)) or 0.0) + 1


def _values(t: Transaction, submission: Submission, id: str) -> dict[str, Any]:
    model = submission.request.get("model")
    return {
        "id": id,
        "state": State.QUEUED,
        "priority": int(submission.priority),
        "position": last_position(t),
        "client": submission.client,
        "dialect": submission.dialect,
        "key": submission.key,
        "body_hash": submission.body_hash,
        "request": submission.request,
        "inputs": list(submission.inputs),
        "note": submission.note,
        "model": None if model is None else storable(str(model)),
        "prompt": searched(_prompt(submission.request.get("prompt"))),
        "created": t.wall,
    }


def _prompt(value: object) -> str:
    """The texts of a request, one after the other."""
    if isinstance(value, str):
        return value
    return "\n".join(map(str, value)) if isinstance(value, Sequence) else ""
