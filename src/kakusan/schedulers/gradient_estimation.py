"""Gradient estimation (arXiv:2306.04848), as ComfyUI's `sample_gradient_estimation`."""

from dataclasses import dataclass

from torch import Tensor

from kakusan.schedulers.ladder_config import SpacedConfig
from kakusan.schedulers.levels import Level
from kakusan.schedulers.prediction import Prediction
from kakusan.schedulers.scheduler import SchedulerOutput
from kakusan.schedulers.sigma_scheduler import UnscaledSigmaScheduler


@dataclass(frozen=True, kw_only=True, eq=False)
class GradientEstimationConfig(SpacedConfig):
    """Settings of `GradientEstimationScheduler`."""

    class_name = "GradientEstimationScheduler"

    beta_start: float = 0.00085
    beta_end: float = 0.012


class GradientEstimationScheduler(UnscaledSigmaScheduler[GradientEstimationConfig]):
    """Euler's steps along a slope that goes on changing as it did; into level 0, what is seen."""

    config_class = GradientEstimationConfig
    takes_timesteps = True
    takes_sigmas = True
    history: Tensor | None = None  # the slope before

    def advance(
        self, x: Tensor, seen: Prediction, now: Level, then: Level, *, ge_gamma: float = 2.0
    ) -> SchedulerOutput:
        """One step along this slope, and `ge_gamma` - 1 times what it changed by (Algorithm 2)."""
        clean, before = seen.clean, self.history
        self.history = slope = (x - clean) / now.sigma
        if then.sigma == 0:
            return SchedulerOutput(clean, clean)
        if before is not None:
            slope = slope + (ge_gamma - 1) * (slope - before)
        return SchedulerOutput(x + slope * (then.sigma - now.sigma), clean)
