"""A queue in a folder, and a worker for it that draws with the built-in model."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from kakusan.request import Request
from kakusan.server.queue.files import Files
from kakusan.server.queue.job import Job, Submission
from kakusan.server.queue.store import Store
from kakusan.server.worker.catalog import Catalog
from kakusan.server.worker.observing import Observer
from kakusan.server.worker.pace import Pace
from kakusan.server.worker.watching import Board
from kakusan.server.worker.worker import Worker


class Here(NamedTuple):
    """Where to compute."""

    device: str | None = "cpu"
    dtype: str | None = None


class Bench:
    """A store, its files, and workers one after the other."""

    def __init__(self, folder: Path) -> None:
        self.files = Files(folder)
        self.store = Store.open(f"sqlite:///{folder / 'jobs.db'}", self.files)
        self.catalog, self.board = Catalog.of(), Board()
        self.worker: Worker | None = None

    def start(self, *, observer: Observer | None = None, **pace: Any) -> Worker:
        settings = {"poll_s": 0.05, "save_s": 1e9, "preview_s": 0.0, **pace}
        place = Here()
        self.worker = Worker(
            self.store, self.files, self.catalog, self.board, place, Pace(**settings), observer
        )
        self.worker.start()
        return self.worker

    def submit(self, prompt: str = "a cat", *, client: str = "local", **settings: Any) -> Job:
        kept = {name: settings.pop(name) for name in ("inputs", "priority") if name in settings}
        request = Request.of(prompt, **{"seed": 1, "num_inference_steps": 3, **settings})
        record = request.to_record() | {"model": settings.get("model")}
        return self.store.submit(Submission(request=record, client=client, **kept))

    def ended(self, *jobs: Job, within: float = 120.0) -> list[Job]:
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            found = [self.store.job(job.id) for job in jobs]
            if all(job is not None and job.state.is_final for job in found):
                return [job for job in found if job is not None]
            time.sleep(0.02)
        raise AssertionError([job and (job.state, job.step) for job in found])

    def close(self) -> None:
        if self.worker is not None:
            assert self.worker.drain(60.0)
        self.store.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.close()


Until = Callable[[Callable[[], object]], None]


@pytest.fixture
def until() -> Until:
    def wait(holds: Callable[[], object]) -> None:
        deadline = time.monotonic() + 60.0
        while not holds():
            assert time.monotonic() < deadline
            time.sleep(0.01)

    return wait
