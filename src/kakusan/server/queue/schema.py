"""The tables, the same in SQLite and Postgres. Times are seconds since 1970, UTC."""

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    text,
)
from sqlalchemy.engine import Dialect

from kakusan.server.queue.job import State, Stop

VERSION = 2  # 2 has `results`

metadata = MetaData()


class Json(TypeDecorator[Any]):
    """Plain JSON as ASCII text: NUL and lone surrogates are escaped, so any database takes it."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:  # noqa: ARG002
        if value is None:
            return None
        return json.dumps(value, separators=(",", ":"), default=_plain)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:  # noqa: ARG002
        return None if value is None else json.loads(value)


def _plain(value: object) -> dict[Any, Any]:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is no JSON")


def _one_of(column: str, values: type[State | Stop]) -> CheckConstraint:
    listed = ", ".join(f"'{each}'" for each in values)
    return CheckConstraint(f"{column} IN ({listed})")


jobs = Table(
    "jobs",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("state", String(9), nullable=False),
    Column("priority", Integer, nullable=False),
    Column("position", Double, nullable=False),
    Column("client", Text, nullable=False),
    Column("dialect", Text, nullable=False),
    Column("key", Json),
    Column("body_hash", Text),
    Column("request", Json, nullable=False),
    Column("inputs", Json, nullable=False),
    Column("note", Json, nullable=False),
    Column("model", Text),  # of the request, for workers that draw with some only
    Column("prompt", Text, nullable=False),  # of the request, as it is searched
    Column("attempts", Integer, nullable=False, default=0),
    Column("vain", Integer, nullable=False, default=0),  # attempts since it last got further
    Column("reached", Integer, nullable=False, default=0),  # the furthest step of any attempt
    Column("fence", Integer, nullable=False, default=0),
    Column("lease_owner", Text),
    Column("lease_until", Double),
    Column("step", Integer, nullable=False, default=0),
    Column("steps", Integer, nullable=False, default=0),
    Column("stop", String(9)),
    Column("error", Text),
    Column("created", Double, nullable=False),
    Column("started", Double),
    Column("finished", Double),
    _one_of("state", State),
    _one_of("stop", Stop),
    Index("jobs_turns", "state", "client", "priority", "position"),
    Index("jobs_leases", "lease_until"),
    Index("jobs_clients", "client", "id"),
)

pictures = Table(
    "pictures",
    metadata,
    Column("job", ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),  # `StoredPicture.index`
    Column("file", Text, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("record", Json, nullable=False),
)

# Of rows of tables, in place of pictures: no folder is shared by who draws them and who waits
results = Table(
    "results",
    metadata,
    Column("job", ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("data", LargeBinary, nullable=False),
)

events = Table(
    "events",
    metadata,
    # a number is never given twice, not even that of a deleted event
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("job", String(36), nullable=False, index=True),
    Column("client", Text, nullable=False),
    Column("kind", String(9), nullable=False),
    Column("at", Double, nullable=False),
    Column("data", Json, nullable=False),
    sqlite_autoincrement=True,
)

# Keys of any length and any characters, so by their hashes
idempotency = Table(
    "idempotency",
    metadata,
    Column("client", Text, primary_key=True),
    Column("key_hash", String(64), primary_key=True),
    Column("job", String(36), nullable=False, index=True),
    Column("body_hash", Text),
    Column("expires", Double, nullable=False),
)

# When a client was last given a worker, and in which order they were
served = Table(
    "served",
    metadata,
    Column("client", Text, primary_key=True),
    Column("priority", Integer, primary_key=True, autoincrement=False),
    Column("at", Double, nullable=False),
    Column("turn", BigInteger, nullable=False),
)

meta = Table(
    "meta",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("value", Text, nullable=False, server_default=text("''")),
)
