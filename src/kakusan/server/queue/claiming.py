"""Giving waiting jobs to a worker, each to one only."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, or_, select, update

from kakusan.server.queue.job import ROWS, Job, State
from kakusan.server.queue.rows import jobs_where
from kakusan.server.queue.schema import jobs, served
from kakusan.server.queue.transaction import Transaction
from kakusan.server.queue.turns import Turns, Waiting, chosen

SUSPECT = 2  # attempts in vain after which a job runs alone
_ROUNDS = 8  # tries to find jobs that no other worker takes at the same moment


@dataclass(frozen=True, kw_only=True)
class RowsOf:
    """Which rows of tables to claim, in place of what clients of a server asked for.

    Attributes:
        only: of this client; None is of all.
        but: not of these.
    """

    only: str | None = None
    but: Collection[str] = ()


def claim(
    t: Transaction,
    owner: str,
    *,
    limit: int,
    lease_s: float,
    models: Collection[str] | None,
    prefer: str | None,
    others: float,
    rows: RowsOf | None,
) -> list[Job]:
    """Begin up to `limit` jobs for a worker, the first one first."""
    own = jobs.c.state == State.RUNNING, jobs.c.lease_owner == owner
    held = list(t.connection.scalars(select(jobs.c.vain).where(*own)))
    if any(vain > SUSPECT for vain in held):
        return []
    turns, passed_over, begun = _turns(t), set[str](), list[str]()
    for _ in range(_ROUNDS):
        fits = _fits(models, rows) & jobs.c.id.not_in(passed_over)
        waiting = _waiting(t, fits, limit - len(begun), prefer)
        found = chosen(
            waiting,
            turns,
            limit=limit - len(begun),
            now=t.wall,
            idle=not held and not begun,
            others=others,
        )
        taken = _begin(t, [job.id for job in found], owner, lease_s)
        begun += taken
        passed_over |= {job.id for job in found} - set(taken)
        if len(taken) == len(found) or len(begun) == limit or found[0].suspect:
            break
    given = {job.id: job for job in jobs_where(t.connection, jobs.c.id.in_(begun))}
    _count_turns(t, [given[id] for id in begun], turns)
    for id in begun:
        client = given[id].submission.client
        t.happened(id, client, "started", {"attempt": given[id].attempts})
    return [given[id] for id in begun]


def _fits(models: Collection[str] | None, rows: RowsOf | None) -> ColumnElement[bool]:
    if rows is not None:
        found = (jobs.c.dialect == ROWS) & jobs.c.client.not_in(rows.but)
        return found if rows.only is None else found & (jobs.c.client == rows.only)
    found = jobs.c.dialect != ROWS
    if models is None:
        return found
    return found & or_(jobs.c.model.is_(None), jobs.c.model.in_(models))


def _turns(t: Transaction) -> Turns:
    running = select(jobs.c.client, func.count()).where(jobs.c.state == State.RUNNING)
    last = select(served.c.client, func.max(served.c.turn)).group_by(served.c.client)
    return Turns(
        running={row[0]: row[1] for row in t.connection.execute(running.group_by(jobs.c.client))},
        last={row[0]: row[1] for row in t.connection.execute(last)},
    )


def _waiting(
    t: Transaction, fits: ColumnElement[bool], limit: int, prefer: str | None
) -> list[Waiting]:
    """The first queued jobs of each client, priority, and kind of model."""
    other = (jobs.c.model != prefer) if prefer is not None else jobs.c.id.is_(None)
    group = [jobs.c.client, jobs.c.priority]
    order = [jobs.c.position, jobs.c.id]
    ranked = (
        select(
            jobs.c.id,
            jobs.c.client,
            jobs.c.priority,
            jobs.c.position,
            jobs.c.vain,
            jobs.c.created,
            other.label("other"),
            func.min(jobs.c.created).over(partition_by=group).label("oldest"),
            func.row_number().over(partition_by=[*group, other], order_by=order).label("rank"),
        )
        .where(jobs.c.state == State.QUEUED, fits)
        .subquery()
    )
    same = (served.c.client == ranked.c.client) & (served.c.priority == ranked.c.priority)
    heads = (
        select(ranked, served.c.at)
        .outerjoin_from(ranked, served, same)
        .where(ranked.c.rank <= limit)
    )
    return [
        Waiting(
            id=row.id,
            client=row.client,
            priority=row.priority,
            position=row.position,
            # a turn in the future is from before the clock was set back
            since=row.oldest if row.at is None or row.at > t.wall else max(row.oldest, row.at),
            created=row.created,
            other=bool(row.other),
            suspect=row.vain >= SUSPECT,
        )
        for row in t.connection.execute(heads)
    ]


def _begin(t: Transaction, ids: Sequence[str], owner: str, lease_s: float) -> list[str]:
    """Begin those of some jobs that are still queued and that no other worker is taking."""
    free = (jobs.c.id.in_(ids)) & (jobs.c.state == State.QUEUED)
    if t.shared:
        locked = select(jobs.c.id).where(free).with_for_update(skip_locked=True)
        free = jobs.c.id.in_(list(t.connection.scalars(locked)))
    taken = t.connection.scalars(
        update(jobs)
        .where(free)
        .values(
            state=State.RUNNING,
            lease_owner=owner,
            lease_until=t.now + lease_s,
            fence=jobs.c.fence + 1,
            attempts=jobs.c.attempts + 1,
            vain=jobs.c.vain + 1,
            started=t.wall,
        )
        .returning(jobs.c.id)
    ).all()
    return [id for id in ids if id in taken]


def _count_turns(t: Transaction, begun: Sequence[Job], turns: Turns) -> None:
    """Keep who was served, in an order in which no two workers wait for each other."""
    groups = sorted({(job.submission.client, job.submission.priority) for job in begun})
    for client, priority in groups:
        row = {"client": client, "priority": priority}
        changed = {"at": t.wall, "turn": turns.last[client]}
        t.connection.execute(
            t.insert(served)
            .values(row | changed)
            .on_conflict_do_update(index_elements=list(row), set_=changed)
        )
