"""RES of second order in multiple steps (arXiv:2308.02157), as ComfyUI's `sample_res_multistep`."""

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from kakusan.schedulers.ancestral import ancestral_step
from kakusan.schedulers.ladder_config import AncestralConfig
from kakusan.schedulers.levels import Level
from kakusan.schedulers.noise import Generators, noise_like
from kakusan.schedulers.prediction import Prediction
from kakusan.schedulers.scheduler import SchedulerOutput
from kakusan.schedulers.sigma_scheduler import UnscaledSigmaScheduler


@dataclass(frozen=True, kw_only=True, eq=False)
class RESMultistepConfig(AncestralConfig):
    """Settings of `RESMultistepScheduler`."""

    class_name = "RESMultistepScheduler"


class Taken(NamedTuple):
    """The step before: its clean sample, and how long it was in log sigma without its noise."""

    clean: Tensor
    h: Tensor


class RESMultistepScheduler(UnscaledSigmaScheduler[RESMultistepConfig]):
    """An exponential integrator that goes by this clean sample and the one before."""

    config_class = RESMultistepConfig
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
    ) -> SchedulerOutput:
        """One step, of first order at the beginning and into noise level 0."""
        clean, past, eta = seen.clean, self.history, self.config.eta
        down, up = ancestral_step(now.sigma, then.sigma, eta)
        h = now.sigma.log() - down.log()
        self.history = Taken(clean, h)
        if past is None or down == 0:
            x = x + (x - clean) / now.sigma * (down - now.sigma)
        else:
            x = res_step(x, clean, h, past)
        if eta > 0 and then.sigma > 0:
            x = x + noise_like(seen.output, generator) * s_noise * up
        return SchedulerOutput(x, clean)


def res_step(x: Tensor, clean: Tensor, h: Tensor, past: Taken) -> Tensor:
    """A step of second order, `h` long in log sigma (Algorithm 1 in several steps)."""
    e = (-h).expm1()
    slope = (1 + e / h) * h / past.h  # -h * phi_2(-h) / c_2, c_2 = -past.h / h
    return (e + 1) * x - e * clean + slope * (clean - past.clean)
