"""The jobs that a worker has in hand: begun, given lanes for their pictures, and let go of."""

import logging
import math
import time
from collections.abc import Callable
from typing import TypeVar

from kakusan.errors import KakusanError
from kakusan.pipeline.company import Way
from kakusan.server.queue.errors import LeaseLost, StoreError
from kakusan.server.queue.files import Files
from kakusan.server.queue.job import State, Stop
from kakusan.server.worker.asked import asked_by
from kakusan.server.worker.catalog import Catalog
from kakusan.server.worker.failing import said_of
from kakusan.server.worker.keeping import Keeping
from kakusan.server.worker.lanes import Lane, Lanes
from kakusan.server.worker.leases import Leases
from kakusan.server.worker.loading import LoadedModel
from kakusan.server.worker.memory import is_out_of_memory
from kakusan.server.worker.observing import Observer
from kakusan.server.worker.pace import Pace
from kakusan.server.worker.pulse import Pulse
from kakusan.server.worker.running import Running
from kakusan.server.worker.staying import Stay
from kakusan.server.worker.watching import Board

logger = logging.getLogger(__name__)
Of = Running.Of
T = TypeVar("T")


class InHand:
    """Jobs, and lanes for as many of their pictures as there is room for.

    Jobs of another model than the loaded one wait until that has stayed for a while. Then its
    pictures under way are finished, what is left of their jobs is given back to the queue, and the
    other model is loaded.

    Args:
        jobs: where they are, for who renews leases too.
        freed: called where there is room again.

    Attributes:
        lanes: of the pictures that are under way.
        resumed: jobs that went on from a saved state.
    """

    def __init__(
        self,
        jobs: list[Running],
        *,
        files: Files,
        catalog: Catalog,
        board: Board,
        keeping: Keeping,
        leases: Leases,
        model: LoadedModel,
        pace: Pace,
        observer: Observer,
        pulse: Pulse,
        freed: Callable[[], None],
    ) -> None:
        self.jobs, self.model, self.resumed = jobs, model, 0
        self.lanes = Lanes[Of](pace.most_rows, pace.lift_s)
        self._files, self._catalog, self._board = files, catalog, board
        self._keeping, self._leases, self._pace = keeping, leases, pace
        self._observer, self._pulse, self._freed = observer, pulse, freed
        self._stay = Stay(pace.stay_s)

    @property
    def room(self) -> int:
        """How many jobs more can be begun."""
        waits = any(each.drawing is None for each in self.jobs)
        if waits or len(self.jobs) > self._pace.most_live:  # one waits for its turn
            return 0
        free = self._pace.most_live - len(self.lanes.live)
        return free if self.model.name is not None else min(free, 1)  # which says what is loaded

    @property
    def others(self) -> float:
        """The least priority of jobs that another model would be loaded for."""
        if not self.jobs:
            return -math.inf
        if not self._stay.is_over(time.monotonic()):
            return math.inf
        return max(int(each.job.submission.priority) for each in self.jobs)

    def heed(self) -> None:
        """Do as callers asked of jobs."""
        for each in list(self.jobs):
            if each.lost:
                self.lost(each)
            elif each.stop is Stop.CANCEL:
                self.end(each, State.CANCELLED)
            elif each.stop is Stop.INTERRUPT:
                each.ways = iter(())
                for lane in list(each.live):
                    if lane.of.way.trajectory.step is None:
                        self.leave(lane)
                if not each.live:
                    self.end(each, State.DONE if each.finished else State.CANCELLED)

    def fill(self, *, begins: bool) -> list[Lane[Of]]:
        """Begin jobs, and give their pictures lanes, as far as there is room.

        A job of many pictures leaves room for others: it has no more lanes than a call has rows,
        and the next lane is of the job with the fewest, or else that was given one longest ago.

        Args:
            begins: whether jobs are begun.

        Returns:
            Lanes that are over without a step.
        """
        over = list[Lane[Of]]()
        for each in list(self.jobs) if begins else ():
            if each.drawing is None and len(self.lanes.live) < self._pace.most_live:
                self.tried(each, lambda: self._ready(each))  # noqa: B023
        while len(self.lanes.live) < self._pace.most_live and not (begins and self._gives_way()):
            able = [e for e in self.jobs if e.ways and len(e.live) < self._pace.most_rows]
            if not able:
                break
            lane = self._with_a_lane(min(able, key=lambda each: (len(each.live), each.given_at)))
            if lane is not None and lane.of.way.trajectory.is_over:
                over.append(lane)
        return over

    def tried(self, running: Running, work: Callable[[], T]) -> T | None:
        """What some work of a job gives; None where it fails, which ends the job alone."""
        try:
            return work()
        except LeaseLost:
            self.lost(running)
        except StoreError:
            raise
        except KakusanError as error:
            self.end(running, State.FAILED, str(error))
        except Exception as error:
            if not is_out_of_memory(error):
                logger.exception("a job failed")
            self.end(running, State.FAILED, said_of(error))
        return None

    def _gives_way(self) -> bool:
        """Whether pictures of the loaded model are only finished, for another one's turn."""
        waits = any(e.drawing is None and not self._is_loaded_for(e) for e in self.jobs)
        return waits and self._stay.is_over(time.monotonic())

    def _is_loaded_for(self, running: Running) -> bool:
        return running.wanted is None or self.model.is_of(running.wanted)

    def _ready(self, running: Running) -> None:
        """Make a job ready, unless the model of others has to be there for a while."""
        self._pulse.beat(self._pace.call_s)
        if running.asked is None:
            running.asked = asked_by(running.job, self._catalog, self._files)
            running.wanted = self.model.wanted_by(running.asked)
        assert running.wanted is not None
        model = running.asked.model
        if not self.model.is_of(running.wanted):
            begun = [each for each in self.jobs if each.drawing is not None]
            if self.lanes.live or (begun and not self._gives_way()):
                return
            for each in begun:  # what is left of it comes again
                self._give_back(each)
            self.model.load(running.wanted, model.name, lambda: self._pulse.beat(self._pace.load_s))
            self._pulse.beat(self._pace.call_s)
            self._stay.begin(time.monotonic())
            self.lanes.widths.forget()
        drawing = self.model.drawing(running.asked)
        path = self._files.latents(running.job.id)
        running.kept = None if path is None else self._keeping.kept(path, running.job, model)
        running.begin(drawing)
        steps, done = drawing.total_steps, len(running.finished)
        self._board.began(running.job.id, steps, step=running.step, pictures=done)
        self._leases.renew(running)

    def _with_a_lane(self, running: Running) -> Lane[Of] | None:
        """Give a job's next picture a lane, if there is another."""
        is_first = not running.has_begun
        running.has_begun, running.given_at = True, time.monotonic()
        self._pulse.beat(self._pace.call_s)
        began = time.perf_counter()
        way = self.tried(running, running.next_way)
        if is_first and way is not None:  # what comes before the first of them is done once
            self._observer.encoded(time.perf_counter() - began)
        if way is None:
            self.look_whether_over(running)
            return None
        self._stay.use()
        return self._lane(running, way)

    def _lane(self, running: Running, way: Way) -> Lane[Of]:
        if running.goes_on(way) and not running.resumed:
            running.resumed = True
            self.resumed += 1
            self._observer.resumed()
        submission = running.job.submission
        lane = Lane(
            of=Of(running, way),
            client=submission.client,
            priority=int(submission.priority),
            rows=way.rows,
            pixels=way.pixels,
            left=way.left,
        )
        running.live.append(lane)
        self.lanes.join(lane, time.monotonic())
        return lane

    def save(self) -> None:
        """Keep where long jobs are, as long as that takes next to nothing of the time."""
        for each in self.jobs:
            since = time.monotonic() - each.saved_at
            usual = self._pace.save_s if each.job.attempts == 1 else self._pace.save_again_s
            if each.live and since > max(usual, 50 * each.save_cost):
                self._keeping.save(each)
                self._leases.renew(each)  # it got further, should this process end now

    def look_whether_over(self, running: Running) -> None:
        """End a job all of whose pictures are finished, or failed."""
        if running not in self.jobs or running.live or running.ways is not None:
            return
        if running.error is not None:
            self.end(running, State.FAILED, running.error)
        else:
            done = bool(running.finished) or running.stop is None
            self.end(running, State.DONE if done else State.CANCELLED)

    def end(self, running: Running, state: State, error: str | None = None) -> None:
        """Draw nothing more of a job, and say how it ended."""
        text = None if error is None else self._catalog.without_paths(error)
        self._drop(running)
        if not self._keeping.finish(running, state, text):
            self._observer.lost()

    def lost(self, running: Running) -> None:
        """Draw nothing more of a job that is another's."""
        self._drop(running)
        self._observer.lost()

    def leave(self, lane: Lane[Of]) -> None:
        """Take no more steps of a lane."""
        self._freed()
        self.lanes.leave(lane)
        live = lane.of.running.live
        live[:] = [each for each in live if each is not lane]

    def give_back(self) -> None:
        """Save where jobs are, and let them wait again."""
        for each in list(self.jobs):
            self._keeping.save(each)
            self._give_back(each)

    def _give_back(self, running: Running) -> None:
        self._drop(running)
        self._keeping.release(running)

    def _drop(self, running: Running) -> None:
        for lane in list(running.live):
            self.leave(lane)
        running.ways = None
        self.jobs[:] = [each for each in self.jobs if each is not running]
        self._board.ended(running.job.id)
        self._freed()
