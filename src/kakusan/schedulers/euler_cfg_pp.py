"""Euler's method with CFG++ (arXiv:2406.08070), as ComfyUI's `sample_euler_cfg_pp`."""

from dataclasses import dataclass

from torch import Tensor

from kakusan.schedulers.ancestral import ancestral_step
from kakusan.schedulers.ladder_config import AncestralConfig
from kakusan.schedulers.levels import Level
from kakusan.schedulers.noise import Generators, noise_like
from kakusan.schedulers.prediction import Prediction
from kakusan.schedulers.scheduler import SchedulerOutput
from kakusan.schedulers.sigma_scheduler import UnscaledSigmaScheduler


@dataclass(frozen=True, kw_only=True, eq=False)
class EulerCFGPPConfig(AncestralConfig):
    """Settings of `EulerCFGPPScheduler`."""

    class_name = "EulerCFGPPScheduler"


class EulerCFGPPScheduler(UnscaledSigmaScheduler[EulerCFGPPConfig]):
    """Goes to the guided clean sample, with the noise that the negative prompt's prediction sees.

    Guidance is meant to be little, about 1.
    """

    config_class = EulerCFGPPConfig
    takes_timesteps = True
    takes_sigmas = True

    def advance(
        self,
        x: Tensor,
        seen: Prediction,
        now: Level,
        then: Level,
        *,
        s_noise: float = 1.0,
        generator: Generators = None,
        unconditional: Tensor | None = None,
    ) -> SchedulerOutput:
        """One step of Algorithm 2, DDIM's in steps of sigma.

        Args:
            unconditional: what the model predicted for the negative prompt; None where nothing is
                guided.
        """
        clean, other = seen.clean, seen.told(unconditional).clean
        if then.sigma == 0:
            return SchedulerOutput(clean, clean)
        down, up = ancestral_step(now.sigma, then.sigma, self.config.eta)
        x = clean + (x - other) / now.sigma * down
        if self.config.eta > 0:
            x = x + noise_like(seen.output, generator) * s_noise * up
        return SchedulerOutput(x, clean)
