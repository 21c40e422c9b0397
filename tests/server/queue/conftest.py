"""The store on each database: a SQLite file, and a Postgres that is thrown away afterwards."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from kakusan.server.queue.files import Files
from kakusan.server.queue.store import Store
from tests.server import clusters


@pytest.fixture(scope="session")
def cluster() -> Iterator[clusters.Cluster]:
    """A Postgres server of this session."""
    reason = clusters.missing()
    if reason is not None:
        pytest.skip(reason)
    made = clusters.Cluster()
    yield made
    made.remove()


@pytest.fixture(params=["sqlite", "postgres"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a new database, of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/queue.db"
        return
    cluster = request.getfixturevalue("cluster")
    made = cluster.database()
    yield made
    cluster.drop(made)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """A new folder of pictures."""
    return Files(tmp_path / "files")


@pytest.fixture
def store(address: str, files: Files) -> Iterator[Store]:
    """An open store without jobs."""
    opened = Store.open(address, files, patience_s=2.0)
    yield opened
    opened.close()
