"""Schedulers whose steps take several model calls, not all of them as many: Heun++, SEEDS."""

from abc import abstractmethod
from bisect import bisect
from collections.abc import Sequence
from itertools import accumulate

import numpy as np
from torch import Tensor

from kakusan.schedulers.configured import ConfigT
from kakusan.schedulers.sigma_scheduler import UnscaledSigmaScheduler
from kakusan.schedulers.spacings import Floats


class StagedScheduler(UnscaledSigmaScheduler[ConfigT]):
    """A sampler that says at which noise levels the model is called in each step.

    Attributes:
        sigmas: the noise level of each call, and where the run ends.
    """

    takes_sigmas = True
    _starts: Sequence[int]

    @property
    def starts(self) -> Sequence[int]:
        return self._starts

    @abstractmethod
    def _calls(self, levels: list[float]) -> list[list[float]]:
        """The noise levels of the calls of each step.

        Args:
            levels: of the run, falling, where it ends included.
        """

    def _end(self, levels: list[float]) -> float:
        """Where a run through `levels` ends."""
        return levels[-1]

    def _step(self) -> int:
        """The number of the present step."""
        return bisect(self._starts, self._step_index or 0) - 1

    def _calls_of_step(self) -> int:
        """How many calls the present step takes."""
        step = self._step()
        return (*self._starts[1:], len(self.schedule))[step] - self._starts[step]

    def _check_begun(self) -> None:
        self._steps_of_run()

    def _prepare(self) -> None:
        """For `add_noise`, every training timestep; steps need a plan."""
        levels = self._known_sigmas()[::-1]
        self._starts = range(len(levels))
        super()._set_levels(levels, np.arange(len(levels), dtype=np.float32)[::-1], last=0.0)

    def _set_levels(self, sigmas: Floats, timesteps: Floats, last: float) -> None:
        levels = np.append(sigmas, last).tolist()
        calls = self._calls(levels)
        starts = (0, *accumulate(len(each) for each in calls[:-1]))
        even = range(0, starts[-1] + 1, self.order)
        self._starts = even if starts == tuple(even) else starts
        called = np.array([level for step in calls for level in step])
        own = dict(zip(levels[:-1], timesteps.tolist(), strict=True))
        times = [
            own.get(level, time)
            for level, time in zip(called.tolist(), self._timesteps_of(called), strict=True)
        ]
        super()._set_levels(called, np.array(times), self._end(levels))

    def _levels_of_steps(self) -> Tensor:
        return self.sigmas[list(self._starts)]
