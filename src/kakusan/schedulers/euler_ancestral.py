"""Euler's method with ancestral noise, as k-diffusion's `sample_euler_ancestral` introduced it."""

from dataclasses import dataclass

from torch import Tensor

from kakusan.schedulers.ancestral import ancestral_step
from kakusan.schedulers.ladder_config import LadderConfig
from kakusan.schedulers.levels import Level
from kakusan.schedulers.noise import Generators, noise_like
from kakusan.schedulers.prediction import Prediction
from kakusan.schedulers.scheduler import SchedulerOutput
from kakusan.schedulers.sigma_scheduler import UnscaledSigmaScheduler


@dataclass(frozen=True, kw_only=True, eq=False)
class EulerAncestralConfig(LadderConfig):
    """Settings of `EulerAncestralDiscreteScheduler`."""

    class_name = "EulerAncestralDiscreteScheduler"

    rescale_betas_zero_snr: bool = False


class EulerAncestralDiscreteScheduler(UnscaledSigmaScheduler[EulerAncestralConfig]):
    """Steps further down than asked for and adds noise back, in float32 whatever the dtype."""

    config_class = EulerAncestralConfig
    adds_noise = True

    def advance(
        self, x: Tensor, seen: Prediction, now: Level, then: Level, *, generator: Generators = None
    ) -> SchedulerOutput:
        """One step down to `sigma_down`, and noise of `sigma_up`.

        Noise is drawn on the last step too, where it counts for nothing.
        """
        sigma_down, sigma_up = ancestral_step(now.sigma, then.sigma)
        x = x.float()
        clean = seen.at(x, now).clean
        x = x + (x - clean) / now.sigma * (sigma_down - now.sigma)
        x = x + noise_like(seen.output, generator) * sigma_up
        return SchedulerOutput(x.to(seen.output.dtype), clean)

    def _impossible(self, now: Tensor, then: Tensor) -> Tensor:
        """Upwards: the variance of the noise would be negative."""
        return now < then
