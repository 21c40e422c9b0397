"""Which engine draws the rows of a batch, and what it needs."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from kakusan.batch.attempts import Attempts
from kakusan.batch.engine import Engine
from kakusan.batch.made import Made
from kakusan.batch.storage import Storage
from kakusan.batch.supervised import Supervised
from kakusan.cli.server_options import DATABASE, QUEUE, check_installed, checked_queue
from kakusan.errors import RequestError, shown

LOCAL, WORKERS = "local", "workers"
ENGINES = (LOCAL, WORKERS)
_WINDOW, _FAR_WINDOW = 256, 4096


class Held(Engine, Protocol):
    """An engine that holds something while it draws."""

    def close(self) -> object:
        """Let go of it."""
        ...


@dataclass(frozen=True, kw_only=True)
class Where:
    """Where rows are drawn.

    Attributes:
        database: of the queue that workers draw from.
    """

    engine: str = LOCAL
    database: str = ""

    @property
    def window(self) -> int:
        """How many rows are usually looked at together: many machines are to have some each."""
        return _WINDOW if self.engine == LOCAL else _FAR_WINDOW

    @classmethod
    def of(cls, engine: str | None, database: str | None) -> "Where":
        """Where rows are drawn, as it was typed.

        Raises:
            InputError: There is no such engine, or what it needs was not named or is not there.
        """
        engine = (LOCAL if database is None else WORKERS) if engine is None else engine
        if engine not in ENGINES:
            raise RequestError(f"--engine must be {' or '.join(ENGINES)}, not {shown(engine)}")
        if engine != WORKERS:
            if database is not None:
                raise RequestError(f"--database is for --engine {WORKERS}; leave one of them out")
            return cls(engine=engine)
        check_installed("batch --engine workers", QUEUE, "server,postgres")
        url = os.environ.get(DATABASE) if database is None else database
        return cls(engine=engine, database=checked_queue(url))

    def held(
        self,
        made: Made,
        storage: Storage,
        attempts: Attempts,
        told: Callable[[str], object],
    ) -> Held:
        """The engine.

        Args:
            storage: where the run keeps what it comes to.
            attempts: of rows that are drawn by this machine.
            told: is told what there is to know of pictures, a line each.

        Raises:
            KakusanError: What draws cannot be reached.
        """
        if self.engine == WORKERS:
            from kakusan.batch.on_queue.engine import opened

            return opened(self.database, made, storage, told)
        return Supervised(made.engine, attempts, told)
