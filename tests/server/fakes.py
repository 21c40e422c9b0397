"""A server in memory: a real store and a real catalog, and a worker that only fills pictures."""

import io
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from PIL import Image

from kakusan.images.metadata import encoded
from kakusan.request import Request
from kakusan.server.access.tokens import Tokens
from kakusan.server.app import app_of
from kakusan.server.queue.errors import LeaseLost
from kakusan.server.queue.files import Files
from kakusan.server.queue.job import Job, State, Stop, StoredPicture
from kakusan.server.queue.store import Store
from kakusan.server.service import Service
from kakusan.server.settings import Settings
from kakusan.server.worker.catalog import Catalog
from kakusan.server.worker.watching import Board

TOKEN = "a-token-of-the-tests-that-is-long"
HOST = "127.0.0.1:7860"


class FillingWorker(threading.Thread):
    """Claims jobs, takes their steps in no time or `pause` seconds each, and fills pictures."""

    def __init__(self, store: Store, files: Files, board: Board, pause: float = 0.0) -> None:
        super().__init__(daemon=True)
        self.store, self.files, self.board, self.pause = store, files, board, pause
        self.ended = threading.Event()
        self.held = threading.Event()
        self.held.set()

    def run(self) -> None:
        while not self.ended.is_set():
            self.held.wait()
            jobs = self.store.claim("tests", limit=1, lease_s=60.0)
            if not jobs:
                self.ended.wait(0.01)
            for job in jobs:
                with suppress(LeaseLost):
                    self._draw(job)
                self.board.ended(job.id)

    def _draw(self, job: Job) -> None:
        request = Request.from_record(job.submission.request)
        steps = request.num_inference_steps or 2
        self.board.began(job.id, steps * request.num_pictures)
        for index in range(request.num_pictures):
            for step in range(steps):
                time.sleep(self.pause)
                done = index * steps + step + 1
                self.board.stepped(job.id, done, index, index)
                if self.board.is_watched(job.id):
                    self.board.show(job.id, preview(done))
                if self.store.renew(job, 60.0, step=done, steps=steps) is Stop.CANCEL:
                    self.store.finish(job, State.CANCELLED)
                    return
            self.store.add_picture(job, self._picture(job, request, index))
        self.store.finish(job, State.DONE)

    def _picture(self, job: Job, request: Request, index: int) -> StoredPicture:
        width, height = request.width or 64, request.height or 64
        seed = request.seed_of(index) or 0
        image = Image.new("RGB", (width, height), (seed % 256, 80, 120))
        record = {"kakusan": "1", **request.picture(index).to_record()}
        file, sha256, size = self.files.put_picture(
            job.id, index, encoded(image, "PNG", record), ".png"
        )
        return StoredPicture(
            index=index,
            file=file,
            sha256=sha256,
            size=size,
            width=width,
            height=height,
            record=record,
        )

    def end(self) -> None:
        self.ended.set()
        self.held.set()
        self.join(10)


def preview(number: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (number % 256, 0, 0)).save(buffer, "JPEG")
    return buffer.getvalue()


def png(width: int = 32, height: int = 24, **named: Any) -> bytes:
    """A picture's file."""
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), (200, 30, 30)).save(buffer, "PNG", **named)
    return buffer.getvalue()


class Served:
    """A service, its application, and its worker."""

    def __init__(self, data: Path, *, token: str | None = TOKEN, **settings: Any) -> None:
        self.settings = Settings(**{"data": data, "disk_floor": 0, **settings})
        self.files = Files(data)
        self.store = Store.open(self.settings.database_url, self.files)
        self.board = Board()
        self.catalog = Catalog.of()
        self.service = Service(self.store, self.files, self.catalog, self.board, self.settings)
        self.tokens = Tokens({} if token is None else {"local": token})
        self.app = app_of(self.service, self.tokens)
        self.worker = FillingWorker(self.store, self.files, self.board)


@contextmanager
def served(data: Path, *, works: bool = True, **settings: Any) -> Generator[Served]:
    """Within, there is a server, whose worker works unless it is told not to."""
    found = Served(data, **settings)
    if works:
        found.worker.start()
    try:
        yield found
    finally:
        if works:
            found.worker.end()
        found.store.close()
