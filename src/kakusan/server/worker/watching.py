"""What happens now, in memory: how far each job is, and what it looks like. Thread-safe, no torch.

Nothing here is kept; a preview is only made while somebody watches, and changes no pixel.
"""

import threading
import time
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a job is.

    Attributes:
        step, steps: of all its pictures together.
        eta_s: seconds that the rest is expected to take; None before the first step.
        began: when it was begun, in seconds since 1970.
        picture: the number of the picture that the last step was of.
        pictures: how many are finished.
    """

    step: int
    steps: int
    eta_s: float | None
    began: float
    picture: int = 0
    pictures: int = 0


@dataclass
class _Shown:
    """What is known of a job that runs."""

    began: float
    clock: float
    first: int  # steps that were taken before, where it goes on from what was saved
    progress: Progress
    preview: bytes | None = None


class Board:
    """What runs now. The worker writes, anyone reads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._shown: dict[str, _Shown] = {}
        self._watched: Counter[str] = Counter()

    def progress(self, job_id: str) -> Progress | None:
        """How far a job is; None where it does not run."""
        with self._lock:
            shown = self._shown.get(job_id)
            return None if shown is None else shown.progress

    def preview(self, job_id: str) -> bytes | None:
        """Its latest preview, as JPEG of at most 512 pixels; None where there is none."""
        with self._lock:
            shown = self._shown.get(job_id)
            return None if shown is None else shown.preview

    @property
    def running(self) -> list[str]:
        """The ids of the jobs that run, in the order in which they were begun."""
        with self._lock:
            return list(self._shown)

    @contextmanager
    def watch(self, job_id: str) -> Generator[None]:
        """While held, previews of the job are made every few steps; before it runs, too."""
        with self._lock:
            self._watched[job_id] += 1
        try:
            yield
        finally:
            with self._lock:
                self._watched[job_id] -= 1
                if self._watched[job_id] <= 0:
                    del self._watched[job_id]

    def is_watched(self, job_id: str) -> bool:
        """Whether somebody wants to see previews of it."""
        with self._lock:
            return job_id in self._watched

    def began(self, job_id: str, steps: int, *, step: int = 0, pictures: int = 0) -> None:
        """A job runs from now on.

        Args:
            step, pictures: what was done before, where it goes on from what was saved.
        """
        now = time.time()
        progress = Progress(step=step, steps=steps, eta_s=None, began=now, pictures=pictures)
        with self._lock:
            self._shown[job_id] = _Shown(now, time.monotonic(), step, progress)

    def stepped(self, job_id: str, step: int, picture: int, pictures: int) -> None:
        """A job has taken a step."""
        with self._lock:
            shown = self._shown.get(job_id)
            if shown is None:
                return
            steps, done = shown.progress.steps, step - shown.first
            spent = time.monotonic() - shown.clock
            eta = spent / done * max(steps - step, 0) if done > 0 else None
            shown.progress = Progress(
                step=step,
                steps=steps,
                eta_s=eta,
                began=shown.began,
                picture=picture,
                pictures=pictures,
            )

    def show(self, job_id: str, preview: bytes) -> None:
        """What a job looks like now."""
        with self._lock:
            if job_id in self._shown:
                self._shown[job_id].preview = preview

    def ended(self, job_id: str) -> None:
        """A job runs no more."""
        with self._lock:
            self._shown.pop(job_id, None)
