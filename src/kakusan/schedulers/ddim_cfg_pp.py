"""DDIM with CFG++ (arXiv:2406.08070, Algorithm 2), as AUTOMATIC1111's `ddim_cfgpp`."""

from dataclasses import dataclass

from torch import Tensor

from kakusan.schedulers.levels import Level
from kakusan.schedulers.posterior_scheduler import PosteriorConfig, PosteriorScheduler
from kakusan.schedulers.prediction import Prediction
from kakusan.schedulers.scheduler import SchedulerOutput


@dataclass(frozen=True, kw_only=True, eq=False)
class DDIMCFGPPConfig(PosteriorConfig):
    """Settings of `DDIMCFGPPScheduler`."""

    class_name = "DDIMCFGPPScheduler"

    set_alpha_to_one: bool = True


class DDIMCFGPPScheduler(PosteriorScheduler[DDIMCFGPPConfig]):
    """To the guided clean sample, with the noise that is predicted for the negative prompt.

    A guidance of 12.5 is 1 here, as in that tool.
    """

    config_class = DDIMCFGPPConfig
    guidance_share = 1 / 12.5

    def advance(
        self,
        x: Tensor,  # noqa: ARG002
        seen: Prediction,
        now: Level,  # noqa: ARG002
        then: Level,
        *,
        unconditional: Tensor | None = None,
    ) -> SchedulerOutput:
        """One step without noise.

        Args:
            unconditional: what the model predicted for the negative prompt; None where nothing is
                guided.
        """
        clean = self._limited(seen.clean)
        noise = seen.told(unconditional).noise
        return SchedulerOutput(then.alpha * clean + then.sigma * noise, clean)
