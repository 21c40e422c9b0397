"""Which engine draws the rows of a batch."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from kakusan.batch.attempts import Attempts
from kakusan.batch.engine import Engine
from kakusan.batch.made import Made
from kakusan.batch.supervised import Supervised

LOCAL = "local"


class Held(Engine, Protocol):
    """An engine that holds something while it draws."""

    def close(self) -> object:
        """Let go of it."""
        ...


@dataclass(frozen=True, kw_only=True)
class Where:
    """Where rows are drawn, as it was typed."""

    engine: str = LOCAL

    def held(self, made: Made, attempts: Attempts, told: Callable[[str], object]) -> Held:
        """The engine.

        Args:
            attempts: of rows that are drawn here.
            told: is told what there is to know of pictures, a line each.
        """
        return Supervised(made.engine, attempts, told)
