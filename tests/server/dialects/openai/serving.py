"""A server on a thread, at an address of its own, for clients that know nothing of tests."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kakusan.server.worker.worker import Worker
from tests.server.fakes import TOKEN, Served, served
from tests.server.on_a_thread import on_a_thread


@dataclass
class Running:
    """A server that listens."""

    url: str
    inside: Served
    token: str = TOKEN


@contextmanager
def running(data: Path, *, draws: bool = False, **settings: Any) -> Generator[Running]:
    """Within, it listens.

    Args:
        draws: whether its worker draws with the built-in model, or fills pictures with a colour.
    """
    with served(data, works=not draws, **settings) as inside:
        worker = _drawing(inside) if draws else None
        try:
            with on_a_thread(inside.app) as port:
                yield Running(f"http://127.0.0.1:{port}", inside)
        finally:
            if worker is not None:
                worker.drain(20)


def _drawing(inside: Served) -> Worker:
    worker = Worker(inside.store, inside.files, inside.catalog, inside.board, inside.settings)
    worker.start()
    return worker
