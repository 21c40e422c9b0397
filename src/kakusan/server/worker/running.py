"""A job that is under way: its pictures that have a way, and those that wait for one."""

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from kakusan.errors import KakusanError
from kakusan.pipeline.calling import STOPPED
from kakusan.pipeline.company import Way
from kakusan.pipeline.draw import Wanted
from kakusan.pipeline.drawing import Drawing
from kakusan.pipeline.seeding import generator_of
from kakusan.pipeline.tiled import TiledDrawing
from kakusan.sampling import Steering, Step
from kakusan.schedulers.source import NoiseSource
from kakusan.server.queue.job import Job, Stop
from kakusan.server.worker.asked import Asked
from kakusan.server.worker.lanes import Lane
from kakusan.server.worker.saved import Kept

logger = logging.getLogger(__name__)


@dataclass(eq=False)
class Running:
    """A job that this worker holds.

    Attributes:
        asked: what it draws; None before it was read.
        wanted: the model that it is drawn with.
        drawing: None before it was begun.
        ways: those of its pictures that have none yet, made when it is their turn; None where there
            are no more.
        has_begun: whether one was made.
        given_at: when one was made last.
        live: the lanes of those that have one.
        finished: the numbers of the pictures that are kept.
        taken: by the number of a picture how many steps were taken of it.
        stop: how it was asked to end early.
        lost: whether another holds it now, so that nothing more of it is written.
        error: why a picture of it could not be drawn.
    """

    job: Job
    asked: Asked | None = None
    wanted: Wanted | None = None
    drawing: Drawing | None = None
    ways: Iterator[Way] | None = None
    has_begun: bool = False
    given_at: float = 0.0
    live: list[Lane["Running.Of"]] = field(default_factory=list["Lane[Running.Of]"])
    finished: set[int] = field(default_factory=set[int])
    taken: dict[int, int] = field(default_factory=dict[int, int])
    stop: Stop | None = None
    lost: bool = False
    error: str | None = None
    kept: Kept | None = None
    resumed: bool = False
    saved_at: float = field(default_factory=time.monotonic)
    save_cost: float = 0.0
    previewed_at: float = 0.0
    _left: int = 0

    @dataclass(eq=False)
    class Of:
        """What a lane of it is: the job and the way."""

        running: "Running"
        way: Way

    def __post_init__(self) -> None:
        self.stop = self.job.stop
        self.finished = {picture.index for picture in self.job.pictures}

    @property
    def steps(self) -> int:
        """Of all its pictures; 0 before that is known."""
        return 0 if self.drawing is None else self.drawing.total_steps

    @property
    def step(self) -> int:
        """How many were taken."""
        return sum(self.taken.values())

    def begin(self, drawing: Drawing) -> None:
        """Make its ways, of which none has taken a step.

        Raises:
            KakusanError: Its prompts or pictures cannot be encoded.
        """
        self.drawing = drawing
        whole = isinstance(drawing, TiledDrawing)  # tiles are one picture, which is kept whole
        done = set[int]() if whole else set(self.finished)
        each = drawing.total_steps // max(1, drawing.request.num_pictures)
        self.taken = dict.fromkeys(done, each)
        if whole:
            self.kept = None
        together = drawing.request.seed is None  # then all pictures have one way
        self._left = 1 if together else drawing.request.num_pictures - len(done)
        self.ways = self._made(drawing, done)

    def next_way(self) -> Way | None:
        """The way of its next picture, if there is another.

        Raises:
            KakusanError: The prompts or pictures of the first cannot be encoded.
        """
        way = None if self.ways is None else next(self.ways, None)
        self._left -= 1
        if way is None or self._left <= 0:
            self.ways = None
        return way

    def _made(self, drawing: Drawing, done: set[int]) -> Iterator[Way]:
        for batch in drawing.batches(lambda pictures: [_Stopping(self, pictures)], watched=False):
            for trajectory in batch.trajectories:
                if not done.issuperset(trajectory.pictures):
                    yield Way(trajectory, drawing)

    def goes_on(self, way: Way) -> bool:
        """Have a way go on from where it was saved; says whether it does."""
        if self.kept is None:
            return False
        assert self.drawing is not None
        source = self._noise_of(way.trajectory.pictures.start)
        try:
            return self.kept.resume(way.trajectory, self.drawing.engine.device, source)
        except KakusanError as error:
            logger.warning("a saved state is not gone on from: %s", error)
            return False

    def _noise_of(self, start: int) -> NoiseSource | None:
        """A stream of noise such as a picture's way has, if it is another tool's."""
        assert self.drawing is not None
        source = generator_of(self.drawing.request, start, self.drawing.engine.scale_factor)
        return source if isinstance(source, NoiseSource) else None


class _Stopping(Steering):
    """Ends a way after the step at which its job is interrupted, with what there is by then."""

    marks_pictures = True

    def __init__(self, running: Running, pictures: range) -> None:
        self._running, self._pictures = running, pictures

    def after(self, step: Step) -> Step:
        running = self._running
        if running.stop is not Stop.INTERRUPT or step.is_last:
            return step
        assert running.drawing is not None
        running.drawing.altered.update(dict.fromkeys(self._pictures, STOPPED))
        return replace(step, latents=step.denoised, stop=True)
