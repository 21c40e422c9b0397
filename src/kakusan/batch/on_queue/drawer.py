"""The workers' side: a thread that takes rows from the queue and draws them in another process."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from kakusan.batch.attempts import Attempts
from kakusan.batch.made import Made
from kakusan.batch.on_queue.parcel import Parcel
from kakusan.batch.on_queue.submission import Work, work_of
from kakusan.batch.row import SUCCESS, Finished
from kakusan.batch.supervised import Supervised
from kakusan.errors import KakusanError
from kakusan.server.queue.claiming import RowsOf
from kakusan.server.queue.errors import LeaseLost, StoreError
from kakusan.server.queue.job import Job, State, Stop
from kakusan.server.queue.owners import own_name
from kakusan.server.queue.store import Store
from kakusan.server.worker.leases import Leases
from kakusan.server.worker.pace import Pace

logger = logging.getLogger(__name__)

_EACH = 4  # times as many rows as are drawn at a time are claimed together
_SHUNNED_S = 60.0  # for which rows of a batch are left to others that could not be begun here
_SWEEP_S = 5.0  # between looks for rows whose workers are gone


@dataclass(eq=False)
class Held:
    """A row that this worker holds."""

    job: Job
    work: Work
    lost: bool = False
    stop: Stop | None = None
    step: int = 0
    steps: int = 0


class Drawer(threading.Thread):
    """Draws rows until it is drained; a row that ends the process that draws does not end it.

    Args:
        device, dtype: where and in what numbers to compute what says nothing of it.
        is_free: whether nothing else is to be drawn first.
    """

    def __init__(
        self,
        store: Store,
        *,
        device: str | None,
        dtype: str | None,
        is_free: Callable[[], bool] = lambda: True,
        pace: Pace | None = None,
    ) -> None:
        super().__init__(name="rows", daemon=True)
        usual = {"device": device, "dtype": dtype}
        self._usual = {name: value for name, value in usual.items() if value is not None}
        self._store, self._owner, self._is_free = store, own_name(), is_free
        self._pace = Pace() if pace is None else pace
        self._held = dict[int, Held]()
        self._leases = Leases(store, lambda: list(self._held.values()), self._pace.lease_s)
        self._engine: Supervised | None = None
        self._made: Made | None = None  # what it was made of
        self._client: str | None = None  # whose rows were drawn last
        self._shunned = dict[str, float]()  # clients, and until when
        self._notices = list[str]()
        self._draining = threading.Event()
        self._swept = 0.0

    def drain(self, timeout: float) -> bool:
        """Take no more rows, and finish those in hand; give them back if that takes too long.

        Returns:
            Whether they were finished in so many seconds.
        """
        self._draining.set()
        self.join(timeout)
        in_time = not self.is_alive()
        for held in list(self._held.values()):
            held.lost = True  # whatever comes of it yet
            with suppress(LeaseLost, StoreError):
                self._store.release(held.job)
        return in_time

    def run(self) -> None:
        self._leases.start()
        try:
            while not self._draining.is_set():
                try:
                    self._turn()
                except StoreError as error:
                    logger.warning("the queue does not answer: %s", error)
                    self._draining.wait(self._pace.poll_s)
                except Exception:
                    logger.exception("a turn of the worker failed")
                    self._draining.wait(self._pace.poll_s)
        finally:
            self._leases.end()
            self._let_go()

    def _turn(self) -> None:
        self._sweep()
        claimed = self._claimed() if self._is_free() else []
        if not claimed:
            self._draining.wait(self._pace.poll_s)
            return
        rows = self._held_of(claimed)
        if not rows:
            return
        self._held = {each.work.row.number: each for each in rows}
        try:
            self._draw(rows)
        except KakusanError as error:
            logger.warning("rows of a batch are left to other workers: %s", error)
            self._shunned[rows[0].job.submission.client] = time.monotonic() + _SHUNNED_S
            self._let_go()
        finally:
            for held in list(self._held.values()):
                self._give_back(held)

    def _claimed(self) -> list[Job]:
        """A row, and others of its batch where several are drawn at a time."""
        now = time.monotonic()
        self._shunned = {name: until for name, until in self._shunned.items() if until > now}
        found = self._claim(1, RowsOf(but=tuple(self._shunned)))
        if not found:
            return []
        client = found[0].submission.client
        work = work_of(found[0])
        together = 1 if work is None else work.made.together
        if together > 1 and found[0].attempts == 1:  # else it may be the one that ends processes
            found += self._claim(together * _EACH - 1, RowsOf(only=client))
        return found

    def _claim(self, limit: int, rows: RowsOf) -> list[Job]:
        return self._store.claim(
            self._owner, limit=limit, lease_s=self._pace.lease_s, prefer=self._model, rows=rows
        )

    @property
    def _model(self) -> str | None:
        return None if self._made is None else self._made.settings.get("model")

    def _held_of(self, jobs: Sequence[Job]) -> list[Held]:
        """Those that can be read; the others are left to workers of their version."""
        found = list[Held]()
        for job in jobs:
            work = work_of(job)
            if work is None:
                logger.warning("rows of a batch are of another version, and left to its workers")
                self._shunned[job.submission.client] = time.monotonic() + _SHUNNED_S
                self._store.release(job)
                continue
            settings = {**self._usual, **work.row.settings}
            made = replace(work.made, settings={**self._usual, **work.made.settings})
            found.append(Held(job, Work(replace(work.row, settings=settings), made)))
        return found

    def _draw(self, held: Sequence[Held]) -> None:
        """Draw rows of one batch, and tell of each as soon as it is finished."""
        engine = self._engine_of(held[0].work.made)
        for finished in engine.draw([each.work.row for each in held], self._begun):
            self._tell(self._held.pop(finished.number), finished)

    def _begun(self, number: int) -> None:
        """Have it known that a row is drawn: should this process end now, it may be why."""
        held = self._held[number]
        held.step = held.steps = 1
        self._leases.renew(held)

    def _engine_of(self, made: Made) -> Supervised:
        if self._engine is None or made != self._made:
            self._let_go()
            self._engine = Supervised(made.engine, Attempts(), self._notices.append)
            self._made = made
        return self._engine

    def _let_go(self) -> None:
        if self._engine is not None:
            self._engine.close()
        self._engine = self._made = None

    def _tell(self, held: Held, finished: Finished) -> None:
        parcel = Parcel(finished, tuple(self._notices))
        self._notices.clear()
        state = State.DONE if finished.status == SUCCESS else State.FAILED
        data = parcel.packed()
        while not held.lost:
            try:
                self._store.finish(held.job, state, finished.error, data)
                return
            except LeaseLost:
                return
            except StoreError as error:
                logger.warning("waiting until a row can be written: %s", error)
                time.sleep(self._pace.poll_s)

    def _give_back(self, held: Held) -> None:
        self._held.pop(held.work.row.number, None)
        if held.lost:
            return
        try:
            self._store.release(held.job)
        except (LeaseLost, StoreError) as error:  # then its lease ends by itself
            logger.warning("a row was not given back: %s", error)

    def _sweep(self) -> None:
        now = time.monotonic()
        if now - self._swept > _SWEEP_S:
            self._swept = now
            self._store.sweep()
