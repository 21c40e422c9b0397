"""A worker of a queue: it draws rows of tables, and a server's jobs where both see one folder."""

import contextlib
import logging
import os
import signal
import threading
from collections.abc import Callable

from kakusan.batch.on_queue.drawer import Drawer
from kakusan.server.queue.files import Files
from kakusan.server.queue.store import Store
from kakusan.server.run import catalog_of, make_folder
from kakusan.server.settings import Settings
from kakusan.server.worker.pace import Pace
from kakusan.server.worker.watching import Board
from kakusan.server.worker.worker import Worker

logger = logging.getLogger(__name__)

STOPPED = 0


def work(url: str, settings: Settings, *, jobs: bool, announce: Callable[[], None]) -> int:
    """Draw what a queue holds until a signal asks to stop; the exit code.

    The first SIGTERM or SIGINT takes nothing new and lets what is drawn come to an end or to a
    point from which another worker goes on; the second ends at once.

    Args:
        url: of the database.
        jobs: whether to draw a server's jobs, too, whose folder is `settings.data`.
        announce: called once the database answers.

    Raises:
        InputError: The database is another program's, or a model is not there.
        StoreError: The database does not answer.
    """
    stopping, asked = threading.Event(), list[int]()

    def stop(number: int, _frame: object) -> None:
        asked.append(number)
        if len(asked) > 1:
            os._exit(128 + number)
        stopping.set()

    with contextlib.ExitStack() as held:
        files = None
        if jobs:
            make_folder(settings.data)
            files = Files(settings.data)
        store = Store.open(url, files)
        held.callback(store.close)
        worker = None
        if files is not None:
            pace = Pace(most_live=settings.together)
            worker = Worker(store, files, catalog_of(settings), Board(), settings, pace)
        drawer = Drawer(
            store,
            device=settings.device,
            dtype=settings.dtype,
            is_free=lambda: worker is None or not worker.in_hand.jobs,
        )
        for name in ("SIGTERM", "SIGINT", "SIGBREAK"):  # the last is Windows', for Ctrl+Break
            if (number := getattr(signal, name, None)) is not None:
                held.callback(signal.signal, number, signal.signal(number, stop))
        threads = [drawer] if worker is None else [worker, drawer]
        for each in threads:
            each.start()
        announce()
        while not stopping.wait(1.0):  # a wait without end would hear no signal on Windows
            pass
        ended = [each.drain(settings.drain) for each in threads]
        if all(ended):
            return STOPPED
    logger.warning("rows or jobs were still drawn; other workers go on with them")
    logging.shutdown()
    os._exit(STOPPED)  # in a step that takes minutes, which the interpreter may wait for
