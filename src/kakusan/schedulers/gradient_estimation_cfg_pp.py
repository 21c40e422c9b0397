"""Gradient estimation with CFG++ (arXiv:2406.08070), as ComfyUI has it."""

from dataclasses import dataclass

from torch import Tensor

from kakusan.schedulers.ladder_config import SpacedConfig
from kakusan.schedulers.levels import Level
from kakusan.schedulers.prediction import Prediction
from kakusan.schedulers.scheduler import SchedulerOutput
from kakusan.schedulers.sigma_scheduler import UnscaledSigmaScheduler


@dataclass(frozen=True, kw_only=True, eq=False)
class GradientEstimationCFGPPConfig(SpacedConfig):
    """Settings of `GradientEstimationCFGPPScheduler`."""

    class_name = "GradientEstimationCFGPPScheduler"

    beta_start: float = 0.00085
    beta_end: float = 0.012


class GradientEstimationCFGPPScheduler(UnscaledSigmaScheduler[GradientEstimationCFGPPConfig]):
    """To the guided clean sample, along the negative prompt's slope, which goes on changing."""

    config_class = GradientEstimationCFGPPConfig
    takes_timesteps = True
    takes_sigmas = True
    history: Tensor | None = None  # the slope before

    def advance(
        self,
        x: Tensor,
        seen: Prediction,
        now: Level,
        then: Level,
        *,
        ge_gamma: float = 2.0,
        unconditional: Tensor | None = None,
    ) -> SchedulerOutput:
        """One step, and `ge_gamma` - 1 times what the slope changed by.

        Args:
            unconditional: what the model predicted for the negative prompt; None where nothing is
                guided.
        """
        clean, before = seen.clean, self.history
        self.history = slope = (x - seen.told(unconditional).clean) / now.sigma
        if then.sigma == 0:
            return SchedulerOutput(clean, clean)
        x = clean + slope * then.sigma
        if before is not None:
            x = x + (ge_gamma - 1) * (slope - before) * (then.sigma - now.sigma)
        return SchedulerOutput(x, clean)
