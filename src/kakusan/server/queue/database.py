"""What the store asks of a database, and the tables that it finds there."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection, insert, inspect, select, update

from kakusan.errors import InputError, shown
from kakusan.server.queue.errors import StoreTooNew
from kakusan.server.queue.schema import VERSION, meta, metadata
from kakusan.server.queue.transaction import Transaction

T = TypeVar("T")


class Database(ABC):
    """A database that may be down, locked or full for a while: it is tried again meanwhile.

    Attributes:
        shared: whether other processes write too, so that changes must be looked for.
        notices: what whoever started it should know, a line each.
    """

    shared: bool
    notices: tuple[str, ...] = ()

    @abstractmethod
    def write(self, work: Callable[[Transaction], T], patience: float) -> tuple[T, Transaction]:
        """Do some work in one transaction, which is on the disk when this returns.

        Raises:
            StoreError: It was not possible for `patience` seconds, or never will be.
        """

    @abstractmethod
    def read(self, work: Callable[[Connection], T], patience: float) -> T:
        """Look at one state of the database. Raises `StoreError` as `write` does."""

    @abstractmethod
    def close(self) -> None:
        """End it; what was committed stays."""


def prepare(connection: Connection) -> None:
    """Make the tables where there are none, and see that they are of this version.

    Raises:
        StoreTooNew: A newer version of the program made them.
        InputError: The database is another program's.
    """
    there = inspect(connection)
    tables = set(there.get_table_names())
    known = meta.name in tables and {each["name"] for each in there.get_columns(meta.name)}
    if known != set(meta.c.keys()):
        # a file is ours alone, a server's database need only have room for our tables
        foreign = tables if connection.dialect.name == "sqlite" else tables & metadata.tables.keys()
        if foreign:
            raise InputError(
                f"the database holds tables of another program, such as {shown(min(foreign))}; "
                "name another one with --database"
            )
        metadata.create_all(connection)
        connection.execute(insert(meta).values(name="schema_version", value=str(VERSION)))
    found = connection.scalar(select(meta.c.value).where(meta.c.name == "schema_version"))
    if found is None or not found.isdecimal() or int(found) > VERSION:
        raise StoreTooNew(
            f"the database is of version {shown(found)}, and this program knows up to {VERSION}; "
            "install a newer kakusan, or name another database"
        )
    if int(found) < VERSION:  # later versions have added tables only
        metadata.create_all(connection)
        own = meta.c.name == "schema_version"
        connection.execute(update(meta).where(own).values(value=str(VERSION)))
