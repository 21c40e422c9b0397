"""The thread that draws: it claims jobs, shares steps between them, and keeps their pictures."""

import logging
import threading
import time

from kakusan.server.queue.errors import StoreError
from kakusan.server.queue.files import Files
from kakusan.server.queue.job import State
from kakusan.server.queue.owners import own_name
from kakusan.server.queue.store import Store
from kakusan.server.worker.catalog import Catalog
from kakusan.server.worker.hashing import Hashing
from kakusan.server.worker.in_hand import InHand
from kakusan.server.worker.keeping import Keeping
from kakusan.server.worker.leases import Leases
from kakusan.server.worker.loading import LoadedModel
from kakusan.server.worker.observing import Observer
from kakusan.server.worker.pace import Pace, Place
from kakusan.server.worker.pulse import Pulse
from kakusan.server.worker.rounds import Rounds
from kakusan.server.worker.running import Running
from kakusan.server.worker.watching import Board

logger = logging.getLogger(__name__)


class Worker(threading.Thread):
    """Draws what a store holds, until it is drained.

    Attributes:
        in_hand: the jobs that it draws.
        rounds: the steps that it takes of them.
    """

    def __init__(
        self,
        store: Store,
        files: Files,
        catalog: Catalog,
        board: Board,
        settings: Place,
        pace: Pace | None = None,
        observer: Observer | None = None,
    ) -> None:
        super().__init__(name="worker", daemon=True)
        self._pace = pace = Pace() if pace is None else pace
        observer = Observer() if observer is None else observer
        self._store, self._owner = store, own_name()
        self._pulse = pulse = Pulse(pace.beat_s)
        jobs = list[Running]()
        self._leases = Leases(store, lambda: list(jobs), pace.lease_s)
        self._hashing = Hashing(catalog, pace.hash_s)
        keeping = Keeping(store, files, catalog, board, pulse.beat)
        self.in_hand = InHand(
            jobs,
            files=files,
            catalog=catalog,
            board=board,
            keeping=keeping,
            leases=self._leases,
            model=LoadedModel(settings, observer),
            pace=pace,
            observer=observer,
            pulse=pulse,
            freed=self._look_again,
        )
        self.rounds = Rounds(
            self.in_hand, keeping=keeping, board=board, pace=pace, observer=observer, pulse=pulse
        )
        self._woken, self._draining = threading.Event(), threading.Event()
        self._end_at: float | None = None
        self._news: set[str] = set()
        self._look = True
        self._swept = time.monotonic()

    @property
    def is_late(self) -> bool:
        """Whether it should have been seen alive by now; a model that is loaded has an hour."""
        return not self._draining.is_set() and self._pulse.is_late(alive=self.is_alive())

    def drain(self, timeout: float) -> bool:
        """Take no new jobs; finish those that run, or save where they are and give them back.

        Returns:
            Whether it ended in so many seconds.
        """
        self._end_at = time.monotonic() + 0.8 * timeout
        self._draining.set()
        self._hashing.end()
        self._woken.set()
        if self.is_alive():
            self.join(timeout)
        return not self.is_alive()

    def run(self) -> None:
        self._store.on_change.append(self._changed)
        self._leases.start()
        self._hashing.start()
        try:
            while not self._is_done():
                self._pulse.beat()
                try:
                    self._turn()
                except StoreError as error:
                    logger.warning("the queue does not answer: %s", error)
                    self._woken.wait(self._pace.poll_s)
                except Exception:
                    logger.exception("a turn of the worker failed")
                    self._woken.wait(self._pace.poll_s)
            self.in_hand.give_back()
        finally:
            self._leases.end()
            self._store.on_change.remove(self._changed)

    def _is_done(self) -> bool:
        if not self._draining.is_set():
            return False
        is_late = self._end_at is not None and time.monotonic() > self._end_at
        return is_late or not any(each.drawing is not None for each in self.in_hand.jobs)

    def _changed(self, id: str) -> None:
        if any(each.job.id == id for each in self.in_hand.jobs):
            self._news.add(id)
        else:
            self._look = True
        self._woken.set()

    def _look_again(self) -> None:
        self._look = True

    def _turn(self) -> None:
        self._hear()
        self.in_hand.heed()
        begins = not self._draining.is_set()
        if begins:
            self._claim()
        self.rounds.moved(self.in_hand.fill(begins=begins))
        chosen = self.in_hand.lanes.chosen(time.monotonic())
        if chosen:
            self.rounds.take(chosen)
            self.in_hand.save()
        elif not self._look:
            self._woken.wait(self._pace.poll_s)
            self._woken.clear()
            self._look = True

    def _hear(self) -> None:
        """Note what callers asked of jobs in hand, and which of them are another's by now."""
        while self._news:
            id = self._news.pop()
            found = self._store.job(id)
            for each in self.in_hand.jobs:
                if each.job.id == id:
                    fence = None if found is None else found.fence
                    each.lost = each.lost or fence != each.job.fence
                    each.stop = (found.stop if found is not None else None) or each.stop

    def _claim(self) -> None:
        now = time.monotonic()
        if now - self._swept > self._pace.sweep_s:
            self._swept = now
            self._store.sweep()
            self._look = True
        room = self.in_hand.room
        if not self._look or room <= 0:
            return
        self._look = False
        if not self._store.counts().get(State.QUEUED):
            return
        model = self.in_hand.model.name
        claimed = self._store.claim(
            self._owner,
            limit=room,
            lease_s=self._pace.lease_s,
            prefer=model,
            others=self.in_hand.others,
        )
        self._look = bool(claimed) and model is None  # there may be more for its model
        self.in_hand.jobs.extend(Running(job) for job in claimed)
