"""DPM-Solver-2 with ancestral noise, as k-diffusion's `sample_dpm_2_ancestral` introduced it."""

from dataclasses import dataclass

from torch import Tensor

from kakusan.schedulers.ancestral import ancestral_step
from kakusan.schedulers.kdpm2 import KDPM2Scheduler
from kakusan.schedulers.ladder_config import SpacedConfig
from kakusan.schedulers.levels import Level
from kakusan.schedulers.midpoint_scheduler import Begun
from kakusan.schedulers.noise import Generators, noise_like
from kakusan.schedulers.prediction import Prediction
from kakusan.schedulers.scheduler import SchedulerOutput


@dataclass(frozen=True, kw_only=True, eq=False)
class KDPM2AncestralConfig(SpacedConfig):
    """Settings of `KDPM2AncestralDiscreteScheduler`."""

    class_name = "KDPM2AncestralDiscreteScheduler"

    beta_start: float = 0.00085
    beta_end: float = 0.012


class KDPM2AncestralDiscreteScheduler(KDPM2Scheduler[KDPM2AncestralConfig]):
    """DPM2 a: further down than asked for, and noise that is added back.

    Half way is to where it goes without the noise.
    """

    config_class = KDPM2AncestralConfig
    adds_noise = True

    def advance(
        self, x: Tensor, seen: Prediction, now: Level, then: Level, *, generator: Generators = None
    ) -> SchedulerOutput:
        """Go half way, or the whole step with the slope of half way, and then add noise."""
        clean = seen.clean
        slope = (x - clean) / now.sigma
        if self.history is None:
            self.history = Begun(x, now.sigma)
            return SchedulerOutput(x + slope * (then.sigma - now.sigma), clean)
        begun, self.history = self.history, None
        down, up = ancestral_step(begun.sigma, then.sigma)
        x = begun.sample + slope * (down - begun.sigma)
        return SchedulerOutput(x + noise_like(seen.output, generator) * up, clean)

    def _between(self, sigma: Tensor, following: Tensor) -> Tensor:
        down, _ = ancestral_step(sigma, following)
        return sigma.log().lerp(down.log(), 0.5).exp()
