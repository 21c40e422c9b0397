"""The queue's databases, as its own tests have them."""

from collections.abc import Iterator

import pytest

from tests.server.clusters import Cluster
from tests.server.queue.conftest import address, cluster, files, store

__all__ = ["address", "cluster", "files", "store"]


@pytest.fixture
def url(cluster: Cluster) -> Iterator[str]:
    """The address of a new Postgres database."""
    made = cluster.database()
    yield made
    cluster.drop(made)
