"""Restart sampling (arXiv:2306.14878, Algorithm 1) with Heun's steps, as AUTOMATIC1111 has it."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from kakusan.schedulers.ladder_config import SpacedConfig
from kakusan.schedulers.levels import Level
from kakusan.schedulers.noise import Generators, noise_like
from kakusan.schedulers.prediction import Prediction
from kakusan.schedulers.scheduler import SchedulerOutput
from kakusan.schedulers.spacings import SIGMA_SPACINGS
from kakusan.schedulers.staged_scheduler import StagedScheduler

LEAST, MOST = 0.1, 2.0  # near which noise levels it is gone back from and to
FEWEST = 20  # steps that are enough to go back


@dataclass(frozen=True, kw_only=True, eq=False)
class RestartConfig(SpacedConfig):
    """Settings of `RestartScheduler`."""

    class_name = "RestartScheduler"

    beta_start: float = 0.00085
    beta_end: float = 0.012


class _Begun(NamedTuple):
    """A step whose second half is still to come."""

    sample: Tensor
    slope: Tensor
    sigma: Tensor


class RestartScheduler(StagedScheduler[RestartConfig]):
    """Heun's steps down to little noise, then back up by noise that is added, and down again.

    Once from 20 steps on and twice from 36, on Karras's levels whatever the others were; fewer
    steps are Heun's.
    """

    config_class = RestartConfig
    order = 2
    adds_noise = True
    history: _Begun | None = None
    _reached: Tensor  # the noise level that each step leads to

    def advance(
        self,
        x: Tensor,
        seen: Prediction,
        now: Level,
        then: Level,
        *,
        s_noise: float = 1.0,
        generator: Generators = None,
    ) -> SchedulerOutput:
        """An Euler step, its correction by the mean of both slopes, and noise where it goes up."""
        clean, begun, end = seen.clean, self.history, self._reached[self._step()]
        slope = (x - clean) / now.sigma
        if begun is None:
            reached = x + slope * (end - now.sigma)
            if end > 0:
                self.history = _Begun(x, slope, now.sigma)
                return SchedulerOutput(reached, clean)
        else:
            self.history = None
            reached = begun.sample + (begun.slope + slope) / 2 * (end - begun.sigma)
        if then.sigma > end:
            noise = noise_like(seen.output, generator)
            reached = reached + noise * s_noise * (then.sigma**2 - end**2) ** 0.5
        return SchedulerOutput(reached, clean)

    def _calls(self, levels: list[float]) -> list[list[float]]:
        path = _path(levels)
        self._reached = torch.from_numpy(np.array([end for _, end in path], dtype=np.float32))
        return [[start, end] if end > 0 else [start] for start, end in path]

    def _end(self, levels: list[float]) -> float:
        return levels[-1] if len(levels) <= FEWEST else 0.0

    def _impossible(self, now: Tensor, then: Tensor) -> Tensor:  # noqa: ARG002
        """Nowhere: it goes up on purpose, and a step of no length leaves the sample as it is."""
        return torch.zeros_like(now, dtype=torch.bool)


def _path(levels: list[float]) -> list[tuple[float, float]]:
    """From which noise level to which each step goes."""
    steps = len(levels) - 1
    if steps < FEWEST:
        return list(pairwise(levels))
    times, length = (2, steps // 4) if steps >= 36 else (1, 9)
    base = [*_karras(levels[0], levels[-2], steps - length * times), 0.0]
    low, high = (_nearest(base, level) for level in (LEAST, MOST))
    again = [*pairwise(_karras(base[high], base[low], length + 1))] * times if high < low else []
    path = list(pairwise(base))
    return [*path[:low], *again, *path[low:]]


def _karras(highest: float, lowest: float, count: int) -> list[float]:
    """Levels whose ends are exactly these."""
    levels = SIGMA_SPACINGS["karras"](highest, lowest, count).tolist()
    return [highest, *levels[1:-1], lowest]


def _nearest(levels: Sequence[float], level: float) -> int:
    return min(range(len(levels)), key=lambda place: abs(levels[place] - level))
