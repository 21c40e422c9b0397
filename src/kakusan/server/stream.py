"""What happens, as it happens: kept events, and steps and previews that are not kept."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TypeAlias

from kakusan.server.queue.job import Event, Job, State
from kakusan.server.worker.watching import Board

TICK = 0.25  # seconds between two looks at running jobs
PATIENCE = 2.0  # seconds between two looks at the table, where another process may write it
_ELSEWHERE_S = 1.0  # between two looks for steps that another process takes
FINAL = frozenset(state.value for state in State if state.is_final)


@dataclass(frozen=True, kw_only=True)
class Progressed:
    """A step was taken.

    Attributes:
        step, steps: of all pictures together.
        eta: seconds that are left; None where nobody knows.
        picture: which of the job's pictures is drawn.
    """

    job: str
    step: int
    steps: int
    eta: float | None
    picture: int = 0


@dataclass(frozen=True, kw_only=True)
class Previewed:
    """What a picture looks like by now.

    Attributes:
        data: a small file, JPEG or WebP.
    """

    job: str
    data: bytes


@dataclass(frozen=True, kw_only=True)
class Placed:
    """A waiting job has come nearer, or was overtaken.

    Attributes:
        place: how many go before it.
    """

    job: str
    place: int


Happening: TypeAlias = Event | Progressed | Previewed | Placed


class Changes:
    """Wakes whoever waits in the event loop when a job changes, from whatever thread."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: set[asyncio.Event] = set()
        self.closed = False

    def begin(self) -> None:
        """From now on, of the running loop."""
        self._loop = asyncio.get_running_loop()

    def tell(self, _job: str) -> None:
        """A job has changed; may be called from any thread."""
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._wake)

    def close(self) -> None:
        """Nobody is to wait any longer."""
        self.closed = True
        self._wake()

    def _wake(self) -> None:
        for each in self._waiting:
            each.set()

    def listener(self) -> "Listener":
        """For one that waits, again and again."""
        return Listener(self._waiting)


class Listener:
    """Misses no change between two waits; to be used with `with`."""

    def __init__(self, waiting: set[asyncio.Event]) -> None:
        self._waiting, self._event = waiting, asyncio.Event()

    def __enter__(self) -> "Listener":
        self._waiting.add(self._event)
        return self

    def __exit__(self, *_: object) -> None:
        self._waiting.discard(self._event)

    async def wait(self, timeout: float) -> None:
        """Until something changes, or for so many seconds."""
        try:
            await asyncio.wait_for(self._event.wait(), timeout)
        except TimeoutError:
            return
        self._event.clear()


class Watched:
    """The running jobs that a stream tells of; to be used with `with`.

    While it is, previews of them are made.
    """

    def __init__(self, board: Board, *, previews: bool) -> None:
        self._board, self._previews = board, previews
        self._held: dict[str, ExitStack] = {}
        self._told: dict[str, tuple[object, object]] = {}
        self._steps: dict[str, int] = {}
        self._looked = 0.0

    def __enter__(self) -> "Watched":
        return self

    def __exit__(self, *_: object) -> None:
        for job in list(self._held):
            self.leave(job)

    def __bool__(self) -> bool:
        return bool(self._held)

    def take(self, job: str) -> None:
        """It runs from now on."""
        if job not in self._held:
            stack = self._held[job] = ExitStack()
            if self._previews:
                stack.enter_context(self._board.watch(job))

    def leave(self, job: str) -> None:
        """It runs no longer."""
        self._told.pop(job, None)
        self._steps.pop(job, None)
        if (stack := self._held.pop(job, None)) is not None:
            stack.close()

    def heed(self, event: Event) -> None:
        """Take or leave a job, as a kept event says."""
        if event.kind == "started":
            self.take(event.job)
        elif event.kind in FINAL or event.kind == State.QUEUED:
            self.leave(event.job)

    @property
    def misses(self) -> bool:
        """Whether jobs run that this process does not draw; not again before a second is over."""
        missed = any(self._board.progress(job) is None for job in self._held)
        return missed and time.monotonic() - self._looked > _ELSEWHERE_S

    def drawn_elsewhere(self, job_of: Callable[[str], Job | None]) -> list[Progressed]:
        """How far they are, by the table, where that has changed."""
        self._looked = time.monotonic()
        found = list[Progressed]()
        for id in list(self._held):
            job = None if self._board.progress(id) is not None else job_of(id)
            if job is not None and job.steps and self._steps.get(id) != job.step:
                self._steps[id] = job.step
                picture = len(job.pictures)
                each = Progressed(job=id, step=job.step, steps=job.steps, eta=None, picture=picture)
                found.append(each)
        return found

    def news(self) -> Iterator[Progressed | Previewed]:
        """What has changed since the last call."""
        for job in self._held:
            step, picture = self._told.get(job, (None, None))
            if (seen := self._board.progress(job)) is not None and seen != step:
                step = seen
                yield Progressed(
                    job=job,
                    step=seen.step,
                    steps=seen.steps,
                    eta=seen.eta_s,
                    picture=seen.picture,
                )
            shown = self._board.preview(job) if self._previews else None
            if shown is not None and shown is not picture:
                picture = shown
                yield Previewed(job=job, data=shown)
            self._told[job] = (step, picture)
