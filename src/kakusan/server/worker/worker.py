"""The thread that draws: it claims jobs, shares steps between them, and keeps their pictures."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from kakusan.errors import KakusanError, reason
from kakusan.pipeline.company import Way
from kakusan.pipeline.output import Picture
from kakusan.pipeline.tiled import TiledDrawing
from kakusan.server.queue.errors import LeaseLost, StoreError
from kakusan.server.queue.files import Files
from kakusan.server.queue.job import State, Stop
from kakusan.server.queue.owners import own_name
from kakusan.server.queue.store import Store
from kakusan.server.worker.asked import asked_by
from kakusan.server.worker.catalog import Catalog
from kakusan.server.worker.keeping import Keeping
from kakusan.server.worker.lanes import Lane, Lanes
from kakusan.server.worker.leases import Leases
from kakusan.server.worker.loading import LoadedModel
from kakusan.server.worker.memory import is_out_of_memory
from kakusan.server.worker.observing import Observer
from kakusan.server.worker.pace import Pace, Place
from kakusan.server.worker.previews import preview_of
from kakusan.server.worker.running import Running
from kakusan.server.worker.watching import Board

logger = logging.getLogger(__name__)
Of = Running.Of
T = TypeVar("T")


class Worker(threading.Thread):
    """Draws what a store holds, until it is drained.

    Attributes:
        rounds, rows: how many calls were shared out, and rows in them.
        resumed: jobs that went on from a saved state.
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
        self.pace = Pace() if pace is None else pace
        self._observer = Observer() if observer is None else observer
        self._due: float | None = None  # when it is to be seen alive again
        self.rounds = self.rows = self.resumed = 0
        self._store, self._files, self._catalog, self._board = store, files, catalog, board
        self._owner = own_name()
        self._keeping = Keeping(store, files, catalog, board, self._beat)
        self._lanes = Lanes[Of](self.pace.most_rows, self.pace.lift_s)
        self._jobs: list[Running] = []
        self._leases = Leases(store, lambda: list(self._jobs), self.pace.lease_s)
        self._woken, self._draining = threading.Event(), threading.Event()
        self._end_at: float | None = None
        self._news: set[str] = set()
        self._look = True
        self._swept = time.monotonic()
        self._model = LoadedModel(settings, self._observer)

    def wake(self) -> None:
        """Look for jobs now."""
        self._look = True
        self._woken.set()

    @property
    def is_late(self) -> bool:
        """Whether it should have been seen alive by now; a model that is loaded has an hour."""
        if self._due is None or self._draining.is_set():
            return False
        return not self.is_alive() or time.monotonic() > self._due

    def drain(self, timeout: float) -> bool:
        """Take no new jobs; finish those that run, or save where they are and give them back.

        Returns:
            Whether it ended in so many seconds.
        """
        self._end_at = time.monotonic() + 0.8 * timeout
        self._draining.set()
        self._woken.set()
        if self.is_alive():
            self.join(timeout)
        return not self.is_alive()

    def run(self) -> None:
        self._store.on_change.append(self._changed)
        self._leases.start()
        threading.Thread(target=self._hash, name="hashes", daemon=True).start()
        try:
            while not self._is_done():
                self._beat()
                try:
                    self._turn()
                except StoreError as error:
                    logger.warning("the queue does not answer: %s", error)
                    self._woken.wait(self.pace.poll_s)
                except Exception:
                    logger.exception("a turn of the worker failed")
                    self._woken.wait(self.pace.poll_s)
            self._give_back()
        finally:
            self._leases.end()
            self._store.on_change.remove(self._changed)

    def _hash(self) -> None:
        """What has to be read for its hash is read beside the work, and what comes later too."""
        while True:
            for _ in self._catalog.hash_files():
                if self._draining.is_set():
                    return
            if self._draining.wait(self.pace.hash_s):
                return

    def _beat(self, within_s: float | None = None) -> None:
        """It lives, and is to be seen again within so many seconds."""
        within_s = self.pace.beat_s if within_s is None else within_s
        self._due = time.monotonic() + within_s

    def _is_done(self) -> bool:
        if not self._draining.is_set():
            return False
        is_late = self._end_at is not None and time.monotonic() > self._end_at
        return is_late or not any(each.drawing is not None for each in self._jobs)

    def _changed(self, id: str) -> None:
        if any(each.job.id == id for each in self._jobs):
            self._news.add(id)
        else:
            self._look = True
        self._woken.set()

    def _turn(self) -> None:
        self._heed()
        if not self._draining.is_set():
            self._claim()
        self._fill()
        chosen = self._lanes.chosen(time.monotonic())
        if chosen:
            self._round(chosen)
            self._save()
        elif not self._look:
            self._woken.wait(self.pace.poll_s)
            self._woken.clear()
            self._look = True

    def _heed(self) -> None:
        """Do as callers asked of jobs that run."""
        while self._news:
            id = self._news.pop()
            found = self._store.job(id)
            for each in self._jobs:
                if each.job.id == id:
                    fence = None if found is None else found.fence
                    each.lost = each.lost or fence != each.job.fence
                    each.stop = (found.stop if found is not None else None) or each.stop
        for each in list(self._jobs):
            if each.lost:
                self._lost(each)
            elif each.stop is Stop.CANCEL:
                self._end(each, State.CANCELLED)
            elif each.stop is Stop.INTERRUPT:
                each.ways = iter(())
                for lane in list(each.live):
                    if lane.of.way.trajectory.step is None:
                        self._leave(lane)
                if not each.live:
                    self._end(each, State.DONE if each.finished else State.CANCELLED)

    def _claim(self) -> None:
        now = time.monotonic()
        if now - self._swept > self.pace.sweep_s:
            self._swept = now
            self._store.sweep()
            self._look = True
        free = self.pace.most_live - len(self._lanes.live)
        held = any(each.drawing is None for each in self._jobs)
        if not self._look or free <= 0 or held or len(self._jobs) >= self.pace.most_live:
            return
        self._look = False
        if not self._store.counts().get(State.QUEUED):
            return
        claimed = self._store.claim(
            self._owner, limit=free, lease_s=self.pace.lease_s, prefer=self._model.name
        )
        self._jobs += [Running(job) for job in claimed]

    def _fill(self) -> None:
        """Begin jobs, and give their pictures lanes, as far as there is room.

        A job of many pictures leaves room for others: it has no more lanes than a call has rows,
        and the next lane is of the job with the fewest.
        """
        if not self._draining.is_set():
            for each in list(self._jobs):
                if each.drawing is None and len(self._lanes.live) < self.pace.most_live:
                    self._begin(each)
        while len(self._lanes.live) < self.pace.most_live:
            able = [e for e in self._jobs if e.ways and len(e.live) < self.pace.most_rows]
            if not able:
                return
            self._with_a_lane(min(able, key=lambda each: len(each.live)))

    def _begin(self, running: Running) -> None:
        """Make a job ready, unless the model of others has to be there for a while."""
        self._tried(running, lambda: self._ready(running))

    def _tried(self, running: Running, work: Callable[[], T]) -> T | None:
        """What some work of a job gives; None where it fails, which ends the job alone."""
        try:
            return work()
        except LeaseLost:
            self._lost(running)
        except StoreError:
            raise
        except KakusanError as error:
            self._end(running, State.FAILED, str(error))
        except Exception as error:
            if not is_out_of_memory(error):
                logger.exception("a job failed")
            self._end(running, State.FAILED, _said(error))
        return None

    def _ready(self, running: Running) -> None:
        self._beat(self.pace.call_s)
        if running.asked is None:
            running.asked = asked_by(running.job, self._catalog, self._files)
            running.wanted = self._model.wanted_by(running.asked)
        assert running.wanted is not None
        model = running.asked.model
        if not self._model.is_of(running.wanted):
            if self._lanes.live:  # the loaded model's pictures first
                return
            self._model.load(running.wanted, model.name, lambda: self._beat(self.pace.load_s))
            self._beat(self.pace.call_s)
        drawing = self._model.drawing(running.asked)
        path = self._files.latents(running.job.id)
        running.kept = None if path is None else self._keeping.kept(path, running.job, model)
        running.begin(drawing)
        steps = drawing.total_steps
        done = len(running.finished)
        self._board.began(running.job.id, steps, step=running.step, pictures=done)
        self._leases.renew(running)

    def _with_a_lane(self, running: Running) -> None:
        """Give a job's next picture a lane, if there is another."""
        assert running.ways is not None
        ways, is_first = running.ways, not running.has_begun
        running.has_begun = True
        self._beat(self.pace.call_s)
        began = time.perf_counter()
        way = self._tried(running, lambda: next(ways, None))
        if is_first and way is not None:  # what comes before the first of them is done once
            self._observer.encoded(time.perf_counter() - began)
        if way is None:
            running.ways = None
            if running in self._jobs and not running.live:
                self._over(running)
            return
        lane = self._lane(running, way)
        if lane.of.way.trajectory.is_over:
            self._moved([lane])

    def _lane(self, running: Running, way: Way) -> Lane[Of]:
        assert running.drawing is not None
        if running.kept is not None:
            start = way.trajectory.pictures.start
            device, source = running.drawing.engine.device, running.noise_of(start)
            try:
                if running.kept.resume(way.trajectory, device, source):
                    if not running.resumed:
                        self.resumed += 1
                        self._observer.resumed()
                    running.resumed = True
            except KakusanError as error:
                logger.warning("a saved state is not gone on from: %s", error)
        submission = running.job.submission
        lane = Lane(
            of=Of(running, way),
            client=submission.client,
            priority=int(submission.priority),
            rows=way.rows,
        )
        running.live.append(lane)
        self._lanes.join(lane, time.monotonic())
        return lane

    def _round(self, chosen: list[Lane[Of]]) -> None:
        """A step of each lane that was chosen."""
        assert self._model.company is not None
        self._beat(self.pace.call_s)
        began = time.perf_counter()
        try:
            ways = self._model.company.round([lane.of.way for lane in chosen])
        except Exception as error:
            self._failed(chosen, error)
            return
        self._lanes.stepped(chosen, time.monotonic())
        rows = sum(lane.rows for lane in chosen)
        self.rounds, self.rows = self.rounds + 1, self.rows + rows
        sizes = {lane.of.way.pixels for lane in chosen}
        pixels = sizes.pop() if len(sizes) == 1 else None
        spent = time.perf_counter() - began
        self._observer.stepped(self._model.name or "", pixels, rows, spent)
        of = {id(lane.of.way): lane for lane in chosen}
        self._moved([of[id(way)] for way in ways])

    def _failed(self, chosen: list[Lane[Of]], error: Exception) -> None:
        """Of lanes whose call failed: each alone, or with less at a time; one alone has failed."""
        if len(chosen) > 1:
            if is_out_of_memory(error):
                self._lanes.most_rows = max(1, self._lanes.most_rows // 2)
                logger.warning("out of memory: %s rows at a time", self._lanes.most_rows)
            for lane in chosen:
                if lane in self._lanes.live:
                    self._round([lane])
            return
        if not isinstance(error, KakusanError) and not is_out_of_memory(error):
            logger.error("a step failed", exc_info=error)
        text = str(error) if isinstance(error, KakusanError) else _said(error)
        self._end(chosen[0].of.running, State.FAILED, text)

    def _moved(self, lanes: list[Lane[Of]]) -> None:
        """Tell of steps that were taken, and keep pictures that are finished."""
        for lane in lanes:
            running, trajectory = lane.of.running, lane.of.way.trajectory
            if running.lost or running not in self._jobs:
                continue
            step, first = trajectory.step, trajectory.pictures.start
            if step is not None and running.drawing is not None:
                running.taken[first] = running.drawing.taken(step)
                done = len(running.finished)
                self._board.stepped(running.job.id, running.step, first, done)
                self._preview(running, lane)
            if trajectory.is_over:
                self._leave(lane)
                if trajectory.overflowed:
                    self._observer.redone()
                self._tried(running, lambda: self._pictures(running, lane))  # noqa: B023
                if running in self._jobs and not running.live and running.ways is None:
                    self._over(running)

    def _pictures(self, running: Running, lane: Lane[Of]) -> None:
        """Decode and keep the pictures of a way that is over."""
        assert running.asked is not None
        found = lane.of.way.finished()
        first = lane.of.way.trajectory.pictures.start
        whole = isinstance(running.drawing, TiledDrawing)
        index = 0 if whole else first
        try:
            while (picture := self._decoded(found)) is not None:
                if index not in running.finished:
                    self._keeping.keep(running, index, picture)
                index += 1
        except KakusanError as error:
            if isinstance(error, LeaseLost | StoreError):
                raise
            running.error = running.error or str(error)

    def _decoded(self, found: Iterator[Picture]) -> Picture | None:
        self._beat(self.pace.call_s)
        began = time.perf_counter()
        picture = next(found, None)
        if picture is not None:
            self._observer.decoded(time.perf_counter() - began)
        return picture

    def _preview(self, running: Running, lane: Lane[Of]) -> None:
        id, now = running.job.id, time.monotonic()
        step = lane.of.way.trajectory.step
        if step is None or step.is_last or not self._board.is_watched(id):
            return
        if now - running.previewed_at < self.pace.preview_s:
            return
        running.previewed_at = now
        assert running.drawing is not None
        self._board.show(id, preview_of(step, running.drawing.engine.scale_factor))

    def _save(self) -> None:
        """Keep where long jobs are, as long as that takes next to nothing of the time."""
        for each in self._jobs:
            since = time.monotonic() - each.saved_at
            usual = self.pace.save_s if each.job.attempts == 1 else self.pace.save_again_s
            if each.live and since > max(usual, 50 * each.save_cost):
                self._keeping.save(each)
                self._leases.renew(each)  # it got further, should this process end now

    def _over(self, running: Running) -> None:
        """All pictures of a job are finished, or failed."""
        if running.error is not None:
            self._end(running, State.FAILED, running.error)
        else:
            done = bool(running.finished) or running.stop is None
            self._end(running, State.DONE if done else State.CANCELLED)

    def _end(self, running: Running, state: State, error: str | None = None) -> None:
        text = None if error is None else self._catalog.without_paths(error)
        self._drop(running)
        if not self._keeping.finish(running, state, text):
            self._observer.lost()

    def _lost(self, running: Running) -> None:
        self._drop(running)
        self._observer.lost()

    def _drop(self, running: Running) -> None:
        """Draw nothing more of a job."""
        for lane in list(running.live):
            self._leave(lane)
        running.ways = None
        self._jobs[:] = [each for each in self._jobs if each is not running]
        self._board.ended(running.job.id)
        self._look = True

    def _leave(self, lane: Lane[Of]) -> None:
        self._look = True  # there is room now
        self._lanes.leave(lane)
        live = lane.of.running.live
        live[:] = [each for each in live if each is not lane]

    def _give_back(self) -> None:
        """Save where jobs are, and let them wait again."""
        for each in list(self._jobs):
            self._keeping.save(each)
            self._drop(each)
            self._keeping.release(each)


def _said(error: Exception) -> str:
    if is_out_of_memory(error):
        return "there is not enough memory for this picture; ask for a smaller one"
    return f"the picture could not be drawn: {type(error).__name__}: {reason(error)}"
