"""The queue: what was accepted is kept, given to one worker at a time, and found again."""

import logging
import math
import time
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Literal, TypeVar

from sqlalchemy import Connection, func, select, update

from kakusan.errors import InputError, shown
from kakusan.server.queue import changing, claiming, leases, retention, submitting, sweeping
from kakusan.server.queue.address import open_database
from kakusan.server.queue.claiming import RowsOf
from kakusan.server.queue.database import Database
from kakusan.server.queue.errors import StoreError
from kakusan.server.queue.files import Files
from kakusan.server.queue.following import Following
from kakusan.server.queue.ids import Ids, is_id
from kakusan.server.queue.job import (
    ROWS,
    Event,
    Job,
    RowResult,
    State,
    Stop,
    StoredPicture,
    Submission,
)
from kakusan.server.queue.owners import is_gone
from kakusan.server.queue.retention import Limits
from kakusan.server.queue.rows import (
    events_where,
    job_of,
    jobs_where,
    place_of,
    results_of,
    searched,
    state_counts,
    storable,
    unfinished_of,
)
from kakusan.server.queue.schema import events, jobs, meta, pictures
from kakusan.server.queue.sweeping import MOST_ENDS
from kakusan.server.queue.transaction import Transaction

T = TypeVar("T")

logger = logging.getLogger(__name__)


class Store:
    """Jobs in a database, for any number of threads; with Postgres, of any number of machines.

    Each call that changes something has it on the disk when it returns. Where the database does
    not answer, is locked or full, a call tries again for `patience_s` seconds.

    Attributes:
        on_change: called with a job's id after each commit that changed it, from whatever thread
            wrote; of what other processes wrote, a moment later and where it left an event.
        on_call: called after each call of the database with its seconds, and whether it failed.
        shared: whether other processes may write to the same database.
        notices: what whoever started the server should know, a line each.

    Raises:
        StoreError: The database could not be reached for so long; of every method.
    """

    def __init__(
        self,
        database: Database,
        files: Files | None = None,
        *,
        patience_s: float = 10.0,
        most_attempts: int = 3,
        most_ends: int = MOST_ENDS,
    ) -> None:
        self._database, self._files = database, files
        self._patience, self._most_attempts = patience_s, most_attempts
        self._most_ends = most_ends
        self.on_change: list[Callable[[str], object]] = []
        self.on_call: list[Callable[[float, bool], object]] = []
        self.shared, self.notices = database.shared, database.notices
        self._ids = Ids(self._read(lambda c: c.scalar(select(func.max(jobs.c.id)))))
        # Nobody else has the file, so whoever held something of it is gone
        self._write(lambda t: sweeping.sweep(t, most_ends, is_gone if self.shared else _any))
        self._following: Following | None = None
        if self.shared:
            self._following = Following(self._news, self._changed, self.last_event())
            self._following.start()

    @classmethod
    def open(
        cls,
        url: str,
        files: Files | None = None,
        *,
        patience_s: float = 10.0,
        most_attempts: int = 3,
        most_ends: int = MOST_ENDS,
    ) -> "Store":
        """Open `sqlite:////folder/file.db` or `postgresql://user@host/name`; made if need be.

        Args:
            files: where the pictures are, so that those of deleted jobs go with them.
            most_attempts: how often a job may be given back with an error.
            most_ends: how often a job may be begun, without getting further, by workers that end.

        Raises:
            InputError: It is no such address, or another server or program uses the file.
            StoreTooNew: A newer version of the program wrote it.
        """
        database = open_database(url, patience_s)
        try:
            return cls(
                database,
                files,
                patience_s=patience_s,
                most_attempts=most_attempts,
                most_ends=most_ends,
            )
        except BaseException:
            database.close()
            raise

    def close(self) -> None:
        """End it; what was committed stays."""
        if self._following is not None:
            self._following.end()
        self._database.close()

    def submit(self, submission: Submission, *, most_waiting: int | None = None) -> Job:
        """Take a job in; the same key and body again give the same job.

        Raises:
            QueueFull: So many wait already.
            KeyReused: The key came with another `body_hash`.
            InputError: The priority is out of range.
        """
        return self.submit_all([submission], most_waiting=most_waiting)[0]

    def submit_all(
        self, submissions: Sequence[Submission], *, most_waiting: int | None = None
    ) -> list[Job]:
        """Take jobs in, all of them or none.

        Raises:
            QueueFull, KeyReused, InputError: as `submit`.
        """
        for submission in submissions:
            submitting.check(submission)
        given: list[str] = []

        def work(t: Transaction) -> list[Job]:
            if not given:
                given.extend(self._ids.new(t.wall) for _ in submissions)
            pairs = zip(submissions, given, strict=True)
            return [submitting.submit(t, each, id, most_waiting) for each, id in pairs]

        return self._write(work)

    def job(self, id: str) -> Job | None:
        """The job of an id; None for any other text."""
        return self._read(lambda c: job_of(c, id))

    def of_key(self, client: str, key: str) -> Job | None:
        """The job that a client's key of idempotency stands for."""
        return self._read(lambda c: submitting.held_by_key(c, client, key))

    def jobs(
        self,
        *,
        state: State | None = None,
        client: str | None = None,
        text: str | None = None,
        after: str | None = None,
        limit: int = 50,
    ) -> list[Job]:
        """Jobs, the newest first.

        Args:
            text: words that the prompt has, in whatever case.
            after: the last id of the page before.

        Raises:
            InputError: `after` is no id of a job.
        """
        if after is not None and not is_id(after):
            raise InputError(f"a page goes on after the id of a job, not after {shown(after)}")
        wanted = [
            jobs.c.prompt.contains(word, autoescape=True) for word in searched(text or "").split()
        ]
        if state is not None:
            wanted.append(jobs.c.state == state)
        if client is not None:
            wanted.append(jobs.c.client == storable(client))
        if after is not None:
            wanted.append(jobs.c.id < after)
        return self._read(lambda c: jobs_where(c, *wanted, limit=limit))

    def counts(self) -> Mapping[State, int]:
        """How many jobs there are in each state."""
        return self._read(state_counts)

    def waiting_since(self) -> float | None:
        """When the oldest of the jobs that wait was handed in; None where none waits."""
        waits = (jobs.c.state == State.QUEUED) & (jobs.c.dialect != ROWS)
        return self._read(lambda c: c.scalar(select(func.min(jobs.c.created)).where(waits)))

    def size(self) -> int:
        """Bytes of all pictures that are kept."""
        return int(self._read(lambda c: c.scalar(select(func.sum(pictures.c.size)))) or 0)

    def place(self, id: str) -> int | None:
        """How many queued jobs go before a queued one; None if it does not wait."""
        return self._read(lambda c: place_of(c, id))

    def stop(self, id: str, stop: Stop) -> Job | None:
        """Cancel a job that waits; ask one that runs to end; leave one that has ended."""
        return self._write(lambda t: changing.stop(t, id, stop)) if is_id(id) else None

    def move(
        self,
        id: str,
        *,
        priority: int | None = None,
        to: Literal["first", "last"] | None = None,
        before: str | None = None,
    ) -> Job | None:
        """Put a waiting job elsewhere; one that waits no more is left as it is.

        Raises:
            InputError: There is no job `before`, or the priority is out of range.
        """
        if priority is not None:
            submitting.check_priority(priority)
        if not is_id(id):
            return None
        return self._write(lambda t: changing.move(t, id, priority, to, before))

    def delete(self, *ids: str) -> int:
        """Forget jobs and their pictures; whoever draws one finds that its lease is lost.

        Returns:
            How many of them there were.
        """
        known = [id for id in ids if is_id(id)]
        return len(self._write(lambda t: changing.remove(t, known))) if known else 0

    def results(self, client: str, *, limit: int) -> list[RowResult]:
        """What became of rows of tables that have ended, the oldest first."""
        return self._read(lambda c: results_of(c, client, limit))

    def unfinished(self, client: str) -> Mapping[str, bool]:
        """The ids of a client's rows that wait or run, and whether each is drawn."""
        return self._read(lambda c: unfinished_of(c, client))

    def events(
        self,
        *,
        after: int,
        job: str | None = None,
        client: str | None = None,
        limit: int = 500,
    ) -> list[Event]:
        """What happened after an event, the oldest first."""
        wanted = [events.c.seq > after]
        if job is not None:
            wanted.append(events.c.job == storable(job))
        if client is not None:
            wanted.append(events.c.client == storable(client))
        return self._read(lambda c: events_where(c, *wanted, limit=limit))

    def last_event(self) -> int:
        """The number of the newest event; 0 before there is one."""
        return self._read(lambda c: c.scalar(select(func.max(events.c.seq)))) or 0

    def claim(
        self,
        owner: str,
        *,
        limit: int,
        lease_s: float,
        models: Collection[str] | None = None,
        prefer: str | None = None,
        others: float = -math.inf,
        rows: RowsOf | None = None,
    ) -> list[Job]:
        """Begin waiting jobs: by class, fair between clients, then by position.

        Args:
            owner: who draws them: `owners.own_name()`.
            models: those that can be drawn with; jobs that name no model always can.
            prefer: the one that is loaded; others wait for it, but not long.
            others: the least priority, with what waiting adds to it, of jobs that need another.
            rows: which rows of tables to begin; None is what clients of a server asked for.
        """
        return self._write(
            lambda t: claiming.claim(
                t,
                owner,
                limit=limit,
                lease_s=lease_s,
                models=models,
                prefer=prefer,
                others=others,
                rows=rows,
            )
        )

    def renew(
        self, job: Job, lease_s: float, *, step: int | None = None, steps: int | None = None
    ) -> Stop | None:
        """Hold a job for another while; says how it is asked to end, if it is.

        Raises:
            LeaseLost: Another worker has it, or nobody.
        """
        return self._write(lambda t: leases.renew(t, job, lease_s, step, steps))

    def add_picture(self, job: Job, picture: StoredPicture) -> None:
        """Keep a finished picture; the same number again changes nothing.

        Raises:
            LeaseLost: Another worker has the job, or nobody.
        """
        self._write(lambda t: leases.add_picture(t, job, picture))

    def finish(
        self, job: Job, state: State, error: str | None = None, result: bytes | None = None
    ) -> Job:
        """End a job; one that was asked to be cancelled is cancelled and keeps nothing.

        Args:
            result: of a row of a table, for who waits for it.

        Raises:
            LeaseLost: Another worker has it, or nobody.
        """
        if not state.is_final:
            raise InputError(f"a job ends as done, failed or cancelled, not as {state}")
        return self._write(lambda t: leases.finish(t, job, state, error, result))

    def release(self, job: Job, error: str | None = None) -> None:
        """Give a job back to wait at its old place; the attempt counts only after an error.

        Raises:
            LeaseLost: Another worker has it, or nobody.
        """
        self._write(lambda t: leases.release(t, job, error, self._most_attempts))

    def sweep(self) -> list[str]:
        """Take back jobs whose leases ended or whose workers are gone; says which."""
        return self._write(lambda t: sweeping.sweep(t, self._most_ends, is_gone))

    def tidy(self, limits: Limits) -> int:
        """Delete ended jobs beyond limits, old keys and files without rows; says how many jobs.

        Rows go first and files after, so whatever happens in between, no row lacks its file.
        """
        doomed = self._read(lambda c: retention.beyond(retention.ended(c), limits, time.time()))
        for begin in range(0, len(doomed), retention.AT_ONCE):
            ids = doomed[begin : begin + retention.AT_ONCE]
            self._write(lambda t, ids=ids: changing.remove(t, ids))
        self._write(retention.forget_old)
        if self._files is not None:
            self._files.sweep_orphans(lambda: self._read(retention.known))
        return len(doomed)

    def healthy(self) -> bool:
        """Whether something can be written now, without waiting for long."""
        seen = update(meta).where(meta.c.name == "schema_version").values(value=meta.c.value)
        try:
            self._write(lambda t: t.connection.execute(seen), patience=1.0)
        except StoreError:
            return False
        return True

    def _read(self, work: Callable[[Connection], T]) -> T:
        with self._told():
            return self._database.read(work, self._patience)

    def _write(self, work: Callable[[Transaction], T], patience: float | None = None) -> T:
        def recorded(t: Transaction) -> T:
            result = work(t)
            t.record()
            return result

        with self._told():
            result, t = self._database.write(recorded, patience or self._patience)
        if self._files is not None:
            self._files.drop(t.unkept, t.ended)
        for id in dict.fromkeys(t.touched):
            self._changed(id)
        return result

    def _changed(self, id: str) -> None:
        for tell in list(self.on_change):
            try:
                tell(id)
            except Exception:  # what was written stays, whoever hears of it
                logger.exception("telling of a change failed")

    def _news(self, after: int) -> list[Event]:
        return self.events(after=after) if self.on_change else []

    @contextmanager
    def _told(self) -> Generator[None]:
        """Tells of a call of the database."""
        began, failed = time.perf_counter(), False
        try:
            yield
        except StoreError:
            failed = True
            raise
        finally:
            for tell in list(self.on_call):
                tell(time.perf_counter() - began, failed)


def _any(owner: str) -> bool:  # noqa: ARG001
    return True
