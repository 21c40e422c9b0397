"""Which engine draws the rows of a batch, and what it needs."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from kakusan.batch.attempts import Attempts
from kakusan.batch.engine import Engine
from kakusan.batch.made import Made
from kakusan.batch.on_ray.joining import HERE, check_answers
from kakusan.batch.storage import Storage
from kakusan.batch.supervised import Supervised
from kakusan.cli.server_options import DATABASE, QUEUE, check_installed, checked_queue
from kakusan.errors import RequestError, shown

LOCAL, WORKERS, RAY = "local", "workers", "ray"
ENGINES = (LOCAL, WORKERS, RAY)
RAY_ADDRESS = "RAY_ADDRESS"  # which `ray job submit` sets
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
        ray_address: of a Ray cluster, or what begins one on this machine.
        actors: how many draw there; None is one for each of its devices.
        actor_cpus: processors of each; None divides them evenly.
    """

    engine: str = LOCAL
    database: str = ""
    ray_address: str = HERE
    actors: int | None = None
    actor_cpus: int | None = None

    @property
    def window(self) -> int:
        """How many rows are usually looked at together: many machines are to have some each."""
        return _WINDOW if self.engine == LOCAL else _FAR_WINDOW

    @classmethod
    def of(
        cls,
        engine: str | None,
        database: str | None,
        ray_address: str | None = None,
        actors: int | None = None,
        actor_cpus: int | None = None,
    ) -> "Where":
        """Where rows are drawn, as it was typed.

        Raises:
            InputError: There is no such engine, or what it needs was not named or is not there.
        """
        options = {
            "--database": (WORKERS, database),
            "--ray-address": (RAY, ray_address),
            "--actors": (RAY, actors),
            "--actor-cpus": (RAY, actor_cpus),
        }
        given = {name: of for name, (of, value) in options.items() if value is not None}
        engine = next(iter(given.values()), LOCAL) if engine is None else engine
        if engine not in ENGINES:
            raise RequestError(f"--engine must be {' or '.join(ENGINES)}, not {shown(engine)}")
        for name, of in given.items():
            if of != engine:
                raise RequestError(f"{name} is for --engine {of}; leave one of them out")
        if engine == WORKERS:
            check_installed("batch --engine workers", QUEUE, "server,postgres")
            url = os.environ.get(DATABASE) if database is None else database
            return cls(engine=engine, database=checked_queue(url))
        if engine == RAY:
            check_installed("batch --engine ray", (RAY,), "ray")
            address = ray_address or os.environ.get(RAY_ADDRESS) or HERE
            check_answers(address)
            return cls(engine=engine, ray_address=address, actors=actors, actor_cpus=actor_cpus)
        return cls(engine=engine)

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
        if self.engine == RAY:
            from kakusan.batch.on_ray.engine import RayEngine

            return RayEngine(
                made.engine,
                attempts,
                told,
                together=made.together,
                address=self.ray_address,
                actors=self.actors,
                cpus=self.actor_cpus,
                device=made.settings.get("device"),
            )
        return Supervised(made.engine, attempts, told)
