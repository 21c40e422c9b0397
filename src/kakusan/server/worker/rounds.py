"""Steps that pictures take together, and what becomes of them when they have taken the last."""

import logging
import time
from collections.abc import Iterator

from kakusan.errors import KakusanError
from kakusan.pipeline.output import Picture
from kakusan.pipeline.tiled import TiledDrawing
from kakusan.server.queue.errors import LeaseLost, StoreError
from kakusan.server.queue.job import State
from kakusan.server.worker.failing import said_of
from kakusan.server.worker.in_hand import InHand, Of
from kakusan.server.worker.keeping import Keeping
from kakusan.server.worker.lanes import Lane
from kakusan.server.worker.memory import is_out_of_memory
from kakusan.server.worker.observing import Observer
from kakusan.server.worker.pace import Pace
from kakusan.server.worker.previews import Previews
from kakusan.server.worker.pulse import Pulse
from kakusan.server.worker.watching import Board

logger = logging.getLogger(__name__)


class Rounds:
    """Takes steps of lanes.

    Attributes:
        taken, rows: how many calls were shared out, and rows in them.
    """

    def __init__(
        self,
        in_hand: InHand,
        *,
        keeping: Keeping,
        board: Board,
        pace: Pace,
        observer: Observer,
        pulse: Pulse,
    ) -> None:
        self.taken = self.rows = 0
        self._in_hand, self._keeping, self._board = in_hand, keeping, board
        self._pace, self._observer, self._pulse = pace, observer, pulse
        self._previews = Previews(board, pace.preview_s)

    def take(self, chosen: list[Lane[Of]]) -> None:
        """A step of each lane that was chosen."""
        model = self._in_hand.model
        assert model.company is not None
        self._pulse.beat(self._pace.call_s)
        began = time.perf_counter()
        try:
            ways = model.company.round([lane.of.way for lane in chosen])
        except Exception as error:
            self._failed(chosen, error)
            return
        took = time.perf_counter() - began
        self._in_hand.lanes.stepped(chosen, time.monotonic(), took)
        rows = sum(lane.rows for lane in chosen)
        self.taken, self.rows = self.taken + 1, self.rows + rows
        self._observer.stepped(model.name or "", chosen[0].pixels, rows, took)
        of = {id(lane.of.way): lane for lane in chosen}
        self.moved([of[id(way)] for way in ways])

    def _failed(self, chosen: list[Lane[Of]], error: Exception) -> None:
        """Of lanes whose call failed: each alone, or with less at a time; one alone has failed."""
        lanes = self._in_hand.lanes
        if len(chosen) > 1:
            if is_out_of_memory(error):
                lanes.most_rows = max(1, lanes.most_rows // 2)
                logger.warning("out of memory: %s rows at a time", lanes.most_rows)
            for lane in chosen:
                if lane in lanes.live:
                    self.take([lane])
            return
        if not isinstance(error, KakusanError) and not is_out_of_memory(error):
            logger.error("a step failed", exc_info=error)
        text = str(error) if isinstance(error, KakusanError) else said_of(error)
        self._in_hand.end(chosen[0].of.running, State.FAILED, text)

    def moved(self, lanes: list[Lane[Of]]) -> None:
        """Tell of steps that were taken, and keep pictures that are finished."""
        for lane in lanes:
            running, trajectory = lane.of.running, lane.of.way.trajectory
            if running.lost or running not in self._in_hand.jobs:
                continue
            step, first = trajectory.step, trajectory.pictures.start
            if step is not None and running.drawing is not None:
                running.taken[first] = running.drawing.taken(step)
                done = len(running.finished)
                self._board.stepped(running.job.id, running.step, first, done)
                self._previews.show(lane)
            if trajectory.is_over:
                self._in_hand.leave(lane)
                if trajectory.overflowed:
                    self._observer.redone()
                self._in_hand.tried(running, lambda: self._keep(lane))  # noqa: B023
                self._in_hand.look_whether_over(running)

    def _keep(self, lane: Lane[Of]) -> None:
        """Decode and keep the pictures of a way that is over."""
        running, found = lane.of.running, lane.of.way.finished()
        whole = isinstance(running.drawing, TiledDrawing)
        index = 0 if whole else lane.of.way.trajectory.pictures.start
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
        self._pulse.beat(self._pace.call_s)
        began = time.perf_counter()
        picture = next(found, None)
        if picture is not None:
            self._observer.decoded(time.perf_counter() - began)
        return picture
