"""The store in one SQLite file, which this process alone has open.

SQLite up to 3.51.2 can damage a file in WAL mode when two connections write or checkpoint at once,
so one connection does, and all others are read-only.
"""

import logging
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import QueuePool, StaticPool

from kakusan.errors import InputError, reason, shown_path
from kakusan.server.queue.clock import Clock
from kakusan.server.queue.database import Database, prepare
from kakusan.server.queue.errors import StoreError
from kakusan.server.queue.locking import FileLock
from kakusan.server.queue.retrying import retried
from kakusan.server.queue.transaction import Transaction
from kakusan.server.queue.writer import Writer

T = TypeVar("T")

_BUSY = 2.0  # seconds that SQLite itself waits for a lock, of those that the caller has
_READERS = 8
# Such as may pass: locked by another program, a disk that is full or does not answer
_PASSING = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_PROTOCOL,
}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}

logger = logging.getLogger(__name__)


class SQLite(Database):
    """A file; it is made where there is none.

    Raises:
        InputError: Another server or another program uses the file.
        StoreTooNew: A newer version of the program wrote it.
        StoreError: It cannot be opened now.
    """

    shared = False

    def __init__(self, path: Path, patience: float) -> None:
        path = path.absolute()
        self._lock = FileLock(path)
        try:
            self.notices = _aside(path) if _is_damaged(path) else ()
            self._writing = _engine(path, read_only=False)
            try:
                _prepared(self._writing, patience)
            except BaseException:
                self._writing.dispose()
                raise
        except BaseException:
            self._lock.release()
            raise
        self._reading = _engine(path, read_only=True)
        self._writer = Writer(self._writing, Clock(), is_passing)

    def write(self, work: Callable[[Transaction], T], patience: float) -> tuple[T, Transaction]:
        return self._writer.write(work, patience)

    def read(self, work: Callable[[Connection], T], patience: float) -> T:
        def once(_: int) -> T:
            with self._reading.connect() as connection, connection.begin():
                return work(connection)

        return retried(once, patience, is_passing)

    def close(self) -> None:
        self._writer.close()
        self._reading.dispose()
        self._writing.dispose()
        self._lock.release()


def is_passing(error: Exception) -> bool:
    """Whether the same may go well a little later."""
    return isinstance(error, PoolTimeout) or _code(error) in _PASSING


def _code(error: BaseException) -> int:
    """SQLite's own primary number of an error."""
    cause = getattr(error, "orig", None) or error
    return getattr(cause, "sqlite_errorcode", 0) & 0xFF


def _engine(path: Path, *, read_only: bool) -> Engine:
    """Connections to a file: one that writes, or some that only read."""

    def connected() -> sqlite3.Connection:
        mode = "ro" if read_only else "rwc"
        connection = sqlite3.connect(
            f"{path.as_uri()}?mode={mode}",
            uri=True,
            timeout=_BUSY,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            _configure(connection, read_only)
        except BaseException:
            connection.close()
            raise
        return connection

    if read_only:
        engine = create_engine(
            "sqlite://", creator=connected, poolclass=QueuePool, pool_size=_READERS, pool_timeout=5
        )
    else:
        engine = create_engine("sqlite://", creator=connected, poolclass=StaticPool)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:  # pyright: ignore[reportUnusedFunction]
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    return engine


def _configure(connection: sqlite3.Connection, read_only: bool) -> None:
    if read_only:
        connection.execute("PRAGMA query_only = 1")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
    else:
        # NORMAL may lose what was committed when the power goes, and a job was promised by then
        connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = 1")


def _prepared(engine: Engine, patience: float) -> None:
    """Make the tables, and only then change the file's mode: it may be another program's."""

    def once(_: int) -> None:
        with engine.connect() as connection:
            with connection.begin():
                prepare(connection)
            own = connection.connection.driver_connection
            assert own is not None
            own.execute("PRAGMA journal_mode = WAL")

    retried(once, patience, is_passing)


def _is_damaged(path: Path) -> bool:
    """Whether what is there cannot be read as a database.

    Raises:
        StoreError: It cannot be read at all now.
    """
    if not path.exists():
        return False
    try:
        connection = sqlite3.connect(path, timeout=_BUSY, isolation_level=None)
        try:
            found = connection.execute("PRAGMA quick_check(1)").fetchone()
        finally:
            connection.close()
    except sqlite3.Error as error:
        if _code(error) in _DAMAGED:
            return True
        raise StoreError(f"{shown_path(path)} cannot be opened: {reason(error)}.") from None
    return found != ("ok",)


def _aside(path: Path) -> tuple[str, ...]:
    """Move a damaged database and what belongs to it away, and say where to.

    Raises:
        InputError: It cannot be moved.
    """
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
    kept = path.with_name(f"{path.name}.damaged-{stamp}")
    try:
        for end in ("-wal", "-shm", ""):
            beside = path.with_name(path.name + end)
            if beside.exists():
                beside.rename(kept.with_name(kept.name + end))
    except OSError as error:
        raise InputError(
            f"{shown_path(path)} is damaged and cannot be moved: {error.strerror}."
        ) from None
    notice = (
        f"{shown_path(path)} is damaged or no database; it was moved to {shown_path(kept)}, and a "
        "new one begun: the jobs in it are not lost, but not listed either"
    )
    logger.error(notice)
    return (notice,)
