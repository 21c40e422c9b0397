"""RES in multiple steps with CFG++ (arXiv:2406.08070), as ComfyUI has it."""

from dataclasses import dataclass

from torch import Tensor

from kakusan.schedulers.ancestral import ancestral_step
from kakusan.schedulers.ladder_config import AncestralConfig
from kakusan.schedulers.levels import Level
from kakusan.schedulers.noise import Generators, noise_like
from kakusan.schedulers.prediction import Prediction
from kakusan.schedulers.res_multistep import Taken, res_step
from kakusan.schedulers.scheduler import SchedulerOutput
from kakusan.schedulers.sigma_scheduler import UnscaledSigmaScheduler


@dataclass(frozen=True, kw_only=True, eq=False)
class RESMultistepCFGPPConfig(AncestralConfig):
    """Settings of `RESMultistepCFGPPScheduler`."""

    class_name = "RESMultistepCFGPPScheduler"


class RESMultistepCFGPPScheduler(UnscaledSigmaScheduler[RESMultistepCFGPPConfig]):
    """RES by what the negative prompt's prediction sees, moved by what guidance changes."""

    config_class = RESMultistepCFGPPConfig
    takes_timesteps = True
    takes_sigmas = True
    history: Taken | None = None

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
        """One step, of first order at the beginning and into noise level 0.

        Args:
            unconditional: what the model predicted for the negative prompt; None where nothing is
                guided.
        """
        clean, other, past = seen.clean, seen.told(unconditional).clean, self.history
        down, up = ancestral_step(now.sigma, then.sigma, self.config.eta)
        h = now.sigma.log() - down.log()
        self.history = Taken(other, h)
        if past is None or down == 0:
            x = clean + (x - other) / now.sigma * down
        else:
            x = res_step(x + (clean - other), other, h, past)
        if self.config.eta > 0 and then.sigma > 0:
            x = x + noise_like(seen.output, generator) * s_noise * up
        return SchedulerOutput(x, clean)
