"""Hashes of the catalog's files, read beside the work."""

import threading

from kakusan.server.worker.catalog import Catalog


class Hashing(threading.Thread):
    """Reads files whose hash is not known, and those that come later too.

    Args:
        pause_s: between two looks for them.
    """

    def __init__(self, catalog: Catalog, pause_s: float) -> None:
        super().__init__(name="hashes", daemon=True)
        self._catalog, self._pause_s = catalog, pause_s
        self._ended = threading.Event()

    def run(self) -> None:
        while True:
            for _ in self._catalog.hash_files():
                if self._ended.is_set():
                    return
            if self._ended.wait(self._pause_s):
                return

    def end(self) -> None:
        """Read no further file."""
        self._ended.set()
