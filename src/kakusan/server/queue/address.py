"""Which database an address means."""

from pathlib import Path

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError as BadAddress

from kakusan.errors import InputError, shown
from kakusan.server.queue.database import Database


def open_database(address: str, patience: float) -> Database:
    """Open `sqlite:////folder/file.db` or `postgresql://user@host/name`, within some seconds.

    Raises:
        InputError: It is no address of either, or another program's or server's database.
        StoreTooNew: A newer version of the program wrote it.
        StoreError: It cannot be opened now.
    """
    try:
        url = make_url(address)
    except (BadAddress, ValueError):
        raise InputError(
            "the database's address is not understood; write sqlite:////folder/file.db or "
            "postgresql://user:password@host/name"
        ) from None
    kind = url.get_backend_name()
    if kind == "sqlite":
        from kakusan.server.queue.sqlite import SQLite

        if not url.database or url.database == ":memory:":
            raise InputError("SQLite needs a file: write sqlite:////folder/file.db")
        return SQLite(Path(url.database), patience)
    if kind in ("postgresql", "postgres"):
        from kakusan.server.queue.postgres import Postgres

        return Postgres(url, patience)
    raise InputError(f"the database is sqlite:// or postgresql://, not {shown(kind)}")
