"""Engines for actors that draw without a model, and what has them drawn by."""

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from kakusan.batch.attempts import Attempts
from kakusan.batch.engine import Begun, Engine
from kakusan.batch.on_ray.engine import RayEngine
from kakusan.batch.row import Finished, Row
from kakusan.batch.storage import LocalStorage
from tests.batch.making import Fake, go

PACE_S = 0.02  # that a row takes


class Mortal(Fake):
    """Takes its time; "die" ends the process that draws, and "end" the actor above it.

    Args:
        folder: where it leaves its id and the actor's.
    """

    def __init__(self, folder: str) -> None:
        super().__init__()
        (Path(folder) / f"{os.getpid()}").write_text(f"{os.getppid()}")

    def draw(self, rows: Sequence[Row], begun: Begun) -> Iterator[Finished]:
        for row in rows:
            begun(row.number)
            prompt = str(row.settings["prompt"])
            if prompt.startswith("end"):
                os.kill(os.getppid(), signal.SIGKILL)
            if prompt.startswith(("end", "die")):
                os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(PACE_S)
            yield from super().draw([row], lambda _: None)


def mortal(folder: Path) -> Callable[[], Engine]:
    """Makes one, wherever it is to draw."""
    folder.mkdir(exist_ok=True)
    return partial(Mortal, str(folder))


def draw(table: str, out: str, address: str, pids: str, **options: Any) -> None:
    """A run whose rows two actors draw, which goes on where one before was ended."""
    storage = LocalStorage(Path(out).with_suffix(".state"))
    with closing(storage):
        engine = RayEngine(mortal(Path(pids)), Attempts(storage), address=address, actors=2)
        with closing(engine):
            go(Path(table), out, engine, **options)


def draw_logged(log: str, *arguments: str) -> None:
    """The same in a process of its own."""
    errors = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(errors, 2)
    draw(*arguments, window=64)
