"""DPM-Solver++(2S) with ancestral noise and CFG++ (arXiv:2406.08070), as ComfyUI has it."""

from dataclasses import dataclass

from torch import Tensor

from kakusan.schedulers.ancestral import ancestral_step
from kakusan.schedulers.dpmpp_2s_ancestral import towards
from kakusan.schedulers.ladder_config import AncestralConfig
from kakusan.schedulers.levels import Level
from kakusan.schedulers.midpoint_scheduler import Begun, MidpointScheduler
from kakusan.schedulers.noise import Generators, noise_like
from kakusan.schedulers.prediction import Prediction
from kakusan.schedulers.scheduler import SchedulerOutput


@dataclass(frozen=True, kw_only=True, eq=False)
class DPMPP2SCFGPPConfig(AncestralConfig):
    """Settings of `DPMPP2SCFGPPScheduler`."""

    class_name = "DPMPP2SCFGPPScheduler"

    eta: float = 1.0


class DPMPP2SCFGPPScheduler(MidpointScheduler[DPMPP2SCFGPPConfig]):
    """DPM++ 2S a from where the guided sample has the noise that the negative prompt's sees."""

    config_class = DPMPP2SCFGPPConfig
    history: tuple[Begun, Tensor] | None = None  # with the clean sample of the first call

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
        """Go half way, or the whole step with the clean sample that was seen half way.

        Both begin moved by what guidance changes; ComfyUI's latest negative prediction counts.

        Args:
            unconditional: what the model predicted for the negative prompt; None where nothing is
                guided.
        """
        clean, other = seen.clean, seen.told(unconditional).clean
        if self.history is None:
            if then.sigma == 0:
                return SchedulerOutput(clean, clean)
            self.history = (Begun(x, now.sigma), clean)
            moved = x + (clean - other)
            return SchedulerOutput(towards(moved, clean, now.sigma, then.sigma), clean)
        (begun, first), self.history = self.history, None
        down, up = ancestral_step(begun.sigma, then.sigma, self.config.eta)
        x = towards(begun.sample + (first - other), clean, begun.sigma, down)
        if up > 0:
            x = x + noise_like(seen.output, generator) * s_noise * up
        return SchedulerOutput(x, clean)

    def _between(self, sigma: Tensor, following: Tensor) -> Tensor:
        down, _ = ancestral_step(sigma, following, self.config.eta)
        return (0.5 * (sigma.log() + down.log())).exp()
