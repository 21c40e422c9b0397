"""How far a stage has come, by its steps or by the clock, and how fast it learns there."""

import math
import time
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class StageSettings:
    """How long and how fast one stage learns. Everything is counted in steps, so runs repeat.

    `batch_size` is that of one process.
    """

    steps: int
    batch_size: int
    learning_rate: float
    warmup_steps: int = 100
    ema_decay: float = 0.999
    weight_decay: float = 0.01
    save_every: int = 250
    sample_every: int = 500


def learning_rate(settings: StageSettings, step: int, done: float) -> float:
    """Return the rate of a step: a linear warm-up of half a cosine down to a hundredth.

    Args:
        step: the number of the step, from 0.
        done: of the stage, from 0 to 1.
    """
    warmed = min(1.0, (step + 1) / max(1, settings.warmup_steps))
    return settings.learning_rate * warmed * (0.01 + 0.99 * (1 + math.cos(math.pi * done)) / 2)


class Pace:
    """How much of a stage is done, from 0 to 1.

    Args:
        steps: that the stage has where no time is given.
        seconds: that it has from now on, in place of steps; None where steps count.
        trained: seconds that it has learnt already.
    """

    def __init__(self, steps: int, seconds: float | None, trained: float) -> None:
        self._steps = steps
        self._seconds = seconds
        self._before = trained
        self._began = time.monotonic()

    @property
    def trained(self) -> float:
        """Seconds that the stage has learnt, this run of it and those before."""
        return self._before + time.monotonic() - self._began

    def done(self, step: int) -> float:
        """The part that is done after so many steps."""
        if self._seconds is None:
            return min(1.0, step / self._steps)
        whole = self._before + self._seconds
        return min(1.0, self.trained / whole) if self._seconds > 0 else 1.0


class Clock:
    """The time that a run has, if it is given one.

    Args:
        minutes: from now on; None where the stages count their steps.
    """

    def __init__(self, minutes: float | None = None) -> None:
        self._seconds = None if minutes is None else 60 * minutes
        self._began = time.monotonic()

    def share(self, part: float) -> float | None:
        """Seconds that are a part of the whole time."""
        return None if self._seconds is None else part * self._seconds

    def left(self, without: float = 0.0) -> float | None:
        """Seconds to the end, at least 0.

        Args:
            without: the part of the whole time that is left for what comes after.
        """
        if self._seconds is None:
            return None
        return max(0.0, (1 - without) * self._seconds - (time.monotonic() - self._began))
