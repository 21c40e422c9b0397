"""Engines for workers that draw without a model, and the processes that have them."""

import os
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing.synchronize import Event
from pathlib import Path

from kakusan.batch.engine import Begun, Engine
from kakusan.batch.made import Made
from kakusan.batch.on_queue import drawer, submission
from kakusan.batch.row import Finished, Row
from kakusan.server.worker.pace import Pace
from tests.batch.making import Fake

MADE = {
    "folder": "/",
    "settings": {},
    "loads": True,
    "together": 1,
    "lora_dirs": None,
    "wildcards": [],
    "words": {},
}


class Memory:
    """What a batch keeps beside its pictures, in place of a folder."""

    def __init__(self) -> None:
        self.files = dict[str, bytes]()

    def read(self, name: str) -> bytes | None:
        return self.files.get(name)

    def write(self, name: str, data: bytes) -> None:
        self.files[name] = data

    def remove(self, name: str) -> None:
        del self.files[name]


PACE_S = 0.02  # that a row takes


class Mortal(Fake):
    """Takes its time; "die" ends the process that draws, and "end" the worker as well."""

    def draw(self, rows: Sequence[Row], begun: Begun) -> Iterator[Finished]:
        for row in rows:
            begun(row.number)
            prompt = str(row.settings["prompt"])
            if prompt.startswith("end"):
                time.sleep(0.2)  # until the worker has heard that it begins
                os.kill(os.getppid(), signal.SIGKILL)
            if prompt.startswith(("end", "die")):
                os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(PACE_S)
            yield from super().draw([row], lambda _: None)


@dataclass(frozen=True, kw_only=True)
class FakeMade(Made):
    """What such an engine is made of."""

    def engine(self) -> Engine:
        return Mortal()


def work_as_fake(url: str, ready: Event, log: str) -> None:
    """A worker's process, whose rows are drawn without a model."""
    errors = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(errors, 2)
    submission.Made = FakeMade  # type: ignore[misc]
    drawer._SWEEP_S, drawer.Pace = 0.2, partial(Pace, poll_s=0.05)

    from kakusan.batch.on_queue.worker import work
    from kakusan.server.logs import logged
    from kakusan.server.settings import Settings

    with logged("text"):
        os._exit(work(url, Settings(data=Path("/")), jobs=False, announce=ready.set))
