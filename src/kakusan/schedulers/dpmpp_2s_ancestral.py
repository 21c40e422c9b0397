"""DPM-Solver++(2S) with ancestral noise, as k-diffusion's `sample_dpmpp_2s_ancestral`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from kakusan.schedulers.ancestral import ancestral_step
from kakusan.schedulers.config import SchedulerConfig
from kakusan.schedulers.ladder_config import SpacedConfig
from kakusan.schedulers.levels import Level
from kakusan.schedulers.midpoint_scheduler import Begun, MidpointScheduler
from kakusan.schedulers.noise import Generators, noise_like
from kakusan.schedulers.prediction import Prediction
from kakusan.schedulers.scheduler import SchedulerOutput


@dataclass(frozen=True, kw_only=True, eq=False)
class DPMPP2SAncestralConfig(SpacedConfig):
    """Settings of `DPMPP2SAncestralScheduler`.

    Attributes:
        eta: the share of the noise that is added back; 0 adds none.
    """

    class_name = "DPMPP2SAncestralScheduler"
    ranges: ClassVar[Mapping[str, tuple[float, float]]] = {
        **SchedulerConfig.ranges,
        "eta": (0, 1),
    }

    eta: float = 1.0


class DPMPP2SAncestralScheduler(MidpointScheduler[DPMPP2SAncestralConfig]):
    """DPM++ 2S a: a single step of second order further down than asked for, and noise back."""

    config_class = DPMPP2SAncestralConfig
    history: Begun | None = None

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
        clean = seen.clean
        if self.history is None:
            self.history = Begun(x, now.sigma)
            return SchedulerOutput(towards(x, clean, now.sigma, then.sigma), clean)
        begun, self.history = self.history, None
        down, up = ancestral_step(begun.sigma, then.sigma, self.config.eta)
        x = towards(begun.sample, clean, begun.sigma, down)
        if up > 0:
            x = x + noise_like(seen.output, generator) * s_noise * up
        return SchedulerOutput(x, clean)

    def _between(self, sigma: Tensor, following: Tensor) -> Tensor:
        down, _ = ancestral_step(sigma, following, self.config.eta)
        return (0.5 * (sigma.log() + down.log())).exp()


def towards(x: Tensor, clean: Tensor, sigma: Tensor, following: Tensor) -> Tensor:
    """Along the line to a clean sample that stays the same (arXiv:2211.01095, equation 9)."""
    return following / sigma * x + (1 - following / sigma) * clean
