"""The far side: an actor, whose rows are drawn in a process of its own beneath it."""

import os
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import kakusan
from kakusan.batch.attempts import Attempts
from kakusan.batch.row import Finished, Row
from kakusan.batch.supervised import Make, Supervised
from kakusan.errors import KakusanError


@dataclass(frozen=True)
class Hello:
    """Which actor it is.

    Attributes:
        version: kakusan's, on its machine.
    """

    version: str
    host: str
    pid: int


@dataclass(frozen=True)
class Answer:
    """What became of rows.

    Attributes:
        notices: what there is to know of their pictures, a line each.
        refused: why nothing can be drawn here; None where rows were drawn.
    """

    finished: tuple[Finished, ...]
    notices: tuple[str, ...] = ()
    refused: KakusanError | None = None


class Drawer:
    """Draws rows. One that brings down the process that draws ends neither the actor nor the run.

    Args:
        make: makes the engine.
    """

    def __init__(self, make: Make) -> None:
        # Else the process that draws would begin as Ray's own do, and import all of Ray
        vars(sys.modules["__main__"]).pop("__file__", None)
        self._notices: list[str] = []
        self._engine = Supervised(make, Attempts(), self._notices.append)

    def hello(self) -> Hello:
        """Say who it is, as soon as it is there."""
        return Hello(kakusan.__version__, socket.gethostname(), os.getpid())

    def draw(self, rows: Sequence[Row]) -> Answer:
        """Draw some rows, and tell of all of them."""
        self._notices.clear()
        try:
            finished = tuple(self._engine.draw(rows, lambda _: None))
        except KakusanError as error:
            return Answer((), refused=error)
        return Answer(finished, tuple(self._notices))
