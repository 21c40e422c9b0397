"""ER-SDE-Solver-3 (arXiv:2309.06169, Algorithm 3), as ComfyUI's `sample_er_sde`."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from torch import Tensor

from kakusan.schedulers.ladder_config import SpacedConfig
from kakusan.schedulers.levels import Level
from kakusan.schedulers.noise import Generators, noise_like
from kakusan.schedulers.prediction import Prediction
from kakusan.schedulers.scheduler import SchedulerOutput
from kakusan.schedulers.sigma_scheduler import UnscaledSigmaScheduler
from kakusan.schedulers.spacings import Floats

POINTS = 200  # at which integrals are summed


@dataclass(frozen=True, kw_only=True, eq=False)
class ERSDEConfig(SpacedConfig):
    """Settings of `ERSDEScheduler`."""

    class_name = "ERSDEScheduler"

    beta_start: float = 0.00085
    beta_end: float = 0.012


class _Seen(NamedTuple):
    """The clean sample that was seen at a noise level, and how it changed with it."""

    sigma: float
    clean: Tensor
    change: Tensor | None = None


class ERSDEScheduler(UnscaledSigmaScheduler[ERSDEConfig]):
    """Solves a reverse SDE of much noise where there is much, and of little where there is little.

    Of third order, from how the clean sample changed over the last two steps.
    """

    config_class = ERSDEConfig
    takes_timesteps = True
    takes_sigmas = True
    adds_noise = True
    history: tuple[_Seen, ...] = ()  # latest first

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
        """One step of the highest order that the steps so far allow; into 0, what is seen."""
        clean, past = seen.clean, self.history
        start, end = float(now.sigma), float(then.sigma)
        change = bend = None
        if past:
            change = (clean - past[0].clean) / (start - past[0].sigma)
        if change is not None and len(past) > 1 and past[0].change is not None:
            bend = (change - past[0].change) / ((start - past[1].sigma) / 2)
        self.history = (_Seen(start, clean, change), *past[:1])
        if end == 0:
            return SchedulerOutput(clean, clean)
        r = float(_scaled(end) / _scaled(start))
        x = r * x + (1 - r) * clean
        first, second = _integrals(start, end)
        if change is not None:
            x = x + first * change
        if bend is not None:
            x = x + second * bend
        added = end**2 - (start * r) ** 2
        noise = noise_like(seen.output, generator)
        return SchedulerOutput(x + noise * s_noise * max(added, 0.0) ** 0.5, clean)


def _scaled(sigma: float | Floats) -> Floats:
    """phi of the authors' ER-SDE-5: how much noise there is at a level."""
    return sigma * (np.exp(np.power(sigma, 0.3)) + 10.0)


def _integrals(start: float, end: float) -> tuple[float, float]:
    """What the first two derivatives of the clean sample count for in a step."""
    width = (start - end) / POINTS
    places = end + np.arange(POINTS) * width
    scale, density = float(_scaled(end)), 1 / _scaled(places)
    way = end - start
    first = way + float(density.sum()) * width * scale
    second = way**2 / 2 + math.fsum((places - start) * density) * width * scale
    return first, second
