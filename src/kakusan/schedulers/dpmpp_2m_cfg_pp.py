"""DPM-Solver++(2M) with CFG++ (arXiv:2406.08070), as ComfyUI's `sample_dpmpp_2m_cfg_pp`."""

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from kakusan.schedulers.ladder_config import SpacedConfig
from kakusan.schedulers.levels import Level
from kakusan.schedulers.prediction import Prediction
from kakusan.schedulers.scheduler import SchedulerOutput
from kakusan.schedulers.sigma_scheduler import UnscaledSigmaScheduler


@dataclass(frozen=True, kw_only=True, eq=False)
class DPMPP2MCFGPPConfig(SpacedConfig):
    """Settings of `DPMPP2MCFGPPScheduler`."""

    class_name = "DPMPP2MCFGPPScheduler"

    beta_start: float = 0.00085
    beta_end: float = 0.012


class _Step(NamedTuple):
    """The step before: what the model saw for the negative prompt, and its length in log sigma."""

    clean: Tensor
    h: Tensor


class DPMPP2MCFGPPScheduler(UnscaledSigmaScheduler[DPMPP2MCFGPPConfig]):
    """DPM++ 2M to the guided clean sample, with the noise that the negative prompt's sees."""

    config_class = DPMPP2MCFGPPConfig
    takes_timesteps = True
    takes_sigmas = True
    history: _Step | None = None

    def advance(
        self,
        x: Tensor,
        seen: Prediction,
        now: Level,
        then: Level,
        *,
        unconditional: Tensor | None = None,
    ) -> SchedulerOutput:
        """One step; the first and the last are of first order.

        Args:
            unconditional: what the model predicted for the negative prompt; None where nothing is
                guided.
        """
        clean, other, past = seen.clean, seen.told(unconditional).clean, self.history
        h = now.sigma.log() - then.sigma.log()
        self.history = _Step(other, h)
        kept = then.sigma / now.sigma
        x = clean + kept * (x - other)
        if past is not None and then.sigma > 0:
            x = x - (-h).expm1() * h / past.h / 2 * (clean - past.clean)
        return SchedulerOutput(x, clean)
