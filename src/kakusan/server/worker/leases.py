"""Holding jobs while they are drawn: a thread that renews leases, and hears of stops."""

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from kakusan.server.queue.errors import LeaseLost, StoreError
from kakusan.server.queue.job import Job, Stop
from kakusan.server.queue.store import Store

logger = logging.getLogger(__name__)
_SHARED_S = 2.0


class Leased(Protocol):
    """A job that is held.

    Attributes:
        lost: whether another holds it by now.
        stop: how it was asked to end early.
    """

    job: Job
    lost: bool
    stop: Stop | None

    @property
    def step(self) -> int:
        """How many steps were taken."""
        ...

    @property
    def steps(self) -> int:
        """Of how many; 0 where that is not known."""
        ...


class Leases(threading.Thread):
    """Renews the leases of jobs after each third of their length, whatever the worker computes.

    Where other processes share the queue, it does so more often: they see how far a job is, and
    their wish to stop it is heard of.

    Args:
        running: gives the jobs that are held.
    """

    def __init__(self, store: Store, running: Callable[[], Sequence[Leased]], lease_s: float):
        super().__init__(name="leases", daemon=True)
        self._store, self._running, self._lease_s = store, running, lease_s
        self._pause_s = min(lease_s / 3, _SHARED_S) if store.shared else lease_s / 3
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.wait(self._pause_s):
            for each in self._running():
                self.renew(each)

    def renew(self, running: Leased) -> None:
        """Hold one job for another while, tell how far it is, and hear whether to stop."""
        if running.lost:
            return
        steps = running.steps or None
        step = running.step if steps else None
        try:
            stop = self._store.renew(running.job, self._lease_s, step=step, steps=steps)
        except LeaseLost:
            running.lost = True
        except StoreError as error:  # the lease may last until it answers again
            logger.warning("a lease was not renewed: %s", error)
        else:
            running.stop = stop or running.stop

    def end(self) -> None:
        """Renew no more."""
        self._ended.set()
