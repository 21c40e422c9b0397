"""DPM-Solver++ for the reverse SDE in single steps, as k-diffusion's `sample_dpmpp_sde`."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor

from kakusan.errors import RequestError, shown
from kakusan.schedulers.ancestral import ancestral_step
from kakusan.schedulers.brownian import BrownianNoise
from kakusan.schedulers.ladder_config import SpacedConfig
from kakusan.schedulers.levels import Level
from kakusan.schedulers.midpoint_scheduler import Begun, MidpointScheduler
from kakusan.schedulers.noise import Generators
from kakusan.schedulers.prediction import Prediction
from kakusan.schedulers.scheduler import SchedulerOutput
from kakusan.schedulers.spacings import TIMESTEP_SPACINGS, Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class DPMSolverSDEConfig(SpacedConfig):
    """Settings of `DPMSolverSDEScheduler`."""

    class_name = "DPMSolverSDEScheduler"
    checked_apart: ClassVar[frozenset[str]] = SpacedConfig.checked_apart | {"noise_sampler_seed"}

    beta_start: float = 0.00085
    beta_end: float = 0.012
    noise_sampler_seed: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        seed: object = self.noise_sampler_seed
        if seed is not None and (type(seed) is not int or not 0 <= seed < 2**64):
            raise RequestError(
                f"{self.class_name}: noise_sampler_seed={shown(seed)} must be a whole number from "
                "0 to 18446744073709551615, or null to take the generator's"
            )


class _History(NamedTuple):
    """The run's noise, and a step whose second half is still to come."""

    noise: BrownianNoise | None = None
    begun: Begun | None = None


class DPMSolverSDEScheduler(MidpointScheduler[DPMSolverSDEConfig]):
    """DPM++ SDE: goes half way and then the whole way, both times with noise of one Brownian path.

    A picture's path has its generator's seed, so that it is the same alone and in a batch. With
    `noise_sampler_seed` one path is drawn for all pictures together, as in the reference.
    """

    config_class = DPMSolverSDEConfig
    adds_noise = True
    timestep_dtype = torch.float64
    history = _History()

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
        """Go half way, or the whole step with the clean sample that was seen half way."""
        noise, begun = self.history
        if noise is None:
            seed = self.config.noise_sampler_seed
            noise = BrownianNoise.of(self.sigmas, x, generator, seed)
        clean = seen.clean
        if begun is None:
            self.history = _History(noise, Begun(x, now.sigma))
            start, target = Begun(x, now.sigma), then.sigma
            if target == 0:
                slope = (x - clean) / now.sigma
                return SchedulerOutput(x + slope * (target - now.sigma), clean)
        else:
            self.history = _History(noise)
            start, target = begun, _through_log(then.sigma)
        sigma = _through_log(start.sigma)
        down, up = ancestral_step(sigma, target)
        kept, h = _through_log(down) / sigma, start.sigma.log() - down.log()
        x = kept * start.sample - (-h).expm1() * clean
        x = x + noise.between(sigma, target, x) * s_noise * up
        return SchedulerOutput(x, clean)

    def _spaced(self, steps: int) -> Floats:
        """In float64, as the reference's."""
        c = self.config
        spacing = TIMESTEP_SPACINGS[c.timestep_spacing]
        return spacing(steps, c.num_train_timesteps, c.steps_offset).astype(np.float64)

    def _between(self, sigma: Tensor, following: Tensor) -> Tensor:
        """Half way in log sigma, one by one: torch rounds the logarithms of many otherwise."""
        starts, ends = ([-each.log() for each in levels] for levels in (sigma, following))
        between = [(-(a + (b - a) * 0.5)).exp() for a, b in zip(starts, ends, strict=True)]
        return torch.stack(between) if between else sigma.clone()

    def _times_between(self, levels: Floats, between: Tensor) -> Floats:  # noqa: ARG002
        """From the levels before they are rounded to float32, as the reference's."""
        times = -np.log(levels)
        middle = np.exp(-(times[:-1] + np.diff(times) * 0.5))
        return self._timesteps_of(middle)


def _through_log(sigma: Tensor) -> Tensor:
    """A noise level as it comes back from its logarithm.

    Brownian noise is asked for at it, and its last digit counts there.
    """
    return sigma.log().exp()
