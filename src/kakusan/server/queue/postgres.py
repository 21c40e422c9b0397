"""The store in Postgres, which servers and workers of several machines share."""

import time
from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, create_engine, event, literal_column, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from kakusan.errors import InputError
from kakusan.server.queue.database import Database, prepare
from kakusan.server.queue.retrying import retried
from kakusan.server.queue.transaction import Transaction

T = TypeVar("T")

_TABLES_LOCK = 7_202_611_261  # held by whoever makes the tables
_CONNECT_S = 5
# A process that is stopped in the middle of a transaction must not hold up the others for long
_SETTINGS = {
    "synchronous_commit": "on",  # a job was promised by then
    "idle_in_transaction_session_timeout": "5s",
    "lock_timeout": "3s",
    "statement_timeout": "30s",
}
# Classes of SQLSTATE that may pass: connection, conflict of transactions, resources, a lock that is
# held, the operator's doing, the system's
_PASSING = ("08", "25P03", "40", "53", "55", "57", "58")


class Postgres(Database):
    """A database of a server; its tables are made where there are none.

    Raises:
        InputError: The driver is not installed, or the tables are another program's.
        StoreTooNew: A newer version of the program made them.
        StoreError: It does not answer.
    """

    shared = True

    def __init__(self, url: URL, patience: float) -> None:
        try:
            import psycopg  # noqa: F401  # pyright: ignore[reportUnusedImport]
        except ImportError:
            raise InputError('Postgres needs a driver: pip install "kakusan[postgres]"') from None
        self._engine = create_engine(
            url.set(drivername="postgresql+psycopg"),
            pool_size=8,
            max_overflow=8,
            pool_timeout=_CONNECT_S,
            pool_pre_ping=True,
            connect_args={"connect_timeout": _CONNECT_S, "application_name": "kakusan"},
        )
        event.listen(self._engine, "connect", _configure)
        try:
            retried(self._prepare, patience, is_passing)
        except BaseException:
            self._engine.dispose()
            raise

    def write(self, work: Callable[[Transaction], T], patience: float) -> tuple[T, Transaction]:
        def once(tries: int) -> tuple[T, Transaction]:
            with self._engine.begin() as connection:
                # the server's clock, which all who share the database have in common
                clock = literal_column("extract(epoch from clock_timestamp())::float8")
                now = float(connection.scalar(select(clock)) or time.time())
                transaction = Transaction(
                    connection=connection, now=now, wall=now, shared=True, again=tries > 0
                )
                return work(transaction), transaction

        return retried(once, patience, is_passing)

    def read(self, work: Callable[[Connection], T], patience: float) -> T:
        def once(_: int) -> T:
            with self._engine.begin() as connection:
                return work(connection)

        return retried(once, patience, is_passing)

    def close(self) -> None:
        self._engine.dispose()

    def _prepare(self, _: int) -> None:
        with self._engine.begin() as connection:
            lock = literal_column(f"pg_advisory_xact_lock({_TABLES_LOCK})")
            connection.execute(select(lock))
            prepare(connection)


def is_passing(error: Exception) -> bool:
    """Whether the same may go well a little later."""
    if isinstance(error, PoolTimeout):
        return True
    if not isinstance(error, DBAPIError):
        return False
    state = getattr(error.orig, "sqlstate", None)
    if state is None:  # no answer at all: no server, or no connection any more
        return error.connection_invalidated or type(error).__name__ in (
            "OperationalError",
            "InterfaceError",
        )
    return state.startswith(_PASSING)


def _configure(connection: Any, _: object) -> None:
    """Settings of each new connection."""
    with connection.cursor() as cursor:
        for name, value in _SETTINGS.items():
            cursor.execute(f"SET {name} = '{value}'")
    connection.commit()
