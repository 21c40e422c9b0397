"""One transaction: where it writes, what time it is, and what it leads to once it is committed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Table, insert, literal_column, select
from sqlalchemy.dialects import postgresql, sqlite

from kakusan.server.queue.schema import events

# Any number; who holds it is the one that gives events their numbers
_EVENTS_LOCK = 7_202_611_260


@dataclass(kw_only=True)
class Transaction:
    """What a write is done in. It may be tried again, so nothing else may be changed in it.

    Attributes:
        now: for leases and keys, in seconds; no clock of ours that was set leads it astray.
        wall: for people, in seconds since 1970.
        shared: whether other processes write too, so that rows must be locked.
        again: whether an earlier try of the same write may have been committed after all.
        touched: the jobs to tell of once it is committed.
        unkept: files of pictures to remove then.
        ended: jobs whose saved state is to be removed then.
    """

    connection: Connection
    now: float
    wall: float
    shared: bool
    again: bool = False
    touched: list[str] = field(default_factory=list[str])
    unkept: list[str] = field(default_factory=list[str])
    ended: list[str] = field(default_factory=list[str])
    _events: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def insert(self, table: Table) -> postgresql.Insert | sqlite.Insert:
        """An insert that can say what happens when the row is there."""
        return postgresql.insert(table) if self.shared else sqlite.insert(table)

    def happened(
        self, job: str, client: str, kind: str, data: Mapping[str, Any] | None = None
    ) -> None:
        """Keep an event of a job, and tell of it."""
        self.touched.append(job)
        self._events.append(
            {"job": job, "client": client, "kind": kind, "at": self.wall, "data": data or {}}
        )

    def record(self) -> None:
        """Write the events; the last thing before the commit.

        Their numbers rise in the order of commits, so that a reader who goes on after the last one
        it saw misses none: whoever writes some holds a lock until its commit.
        """
        if not self._events:
            return
        if self.shared:
            lock = literal_column(f"pg_advisory_xact_lock({_EVENTS_LOCK})")
            self.connection.execute(select(lock))
        self.connection.execute(insert(events), self._events)
