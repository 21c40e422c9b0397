"""The queue's databases, as its own tests have them."""

from tests.server.queue.conftest import address, cluster, files, store

__all__ = ["address", "cluster", "files", "store"]
