"""A server on a thread, at an address of its own, for clients that know nothing of tests."""

import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

from tests.server.fakes import TOKEN, Served, served


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
        config = uvicorn.Config(inside.app, port=0, log_level="warning", log_config=None)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        worker = _drawing(inside) if draws else None
        try:
            yield Running(f"http://127.0.0.1:{port}", inside)
        finally:
            server.should_exit = True
            if worker is not None:
                worker.drain(20)
            thread.join(20)


def _drawing(inside: Served) -> Any:
    from kakusan.server.worker.worker import Worker

    worker = Worker(inside.store, inside.files, inside.catalog, inside.board, inside.settings)
    worker.start()
    return worker
