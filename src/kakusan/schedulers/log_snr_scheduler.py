"""Schedulers that integrate over log SNR exactly but for what the model says: DPM-Solver, UniPC."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor

from kakusan.schedulers.config import SchedulerConfig
from kakusan.schedulers.ladder_config import SpacedConfig
from kakusan.schedulers.levels import Level
from kakusan.schedulers.prediction import dynamic_threshold
from kakusan.schedulers.run import Timestep
from kakusan.schedulers.sigma_scheduler import SigmaScheduler
from kakusan.schedulers.spacings import TIMESTEP_SPACINGS, Floats

FEW_STEPS = 15  # below this, `lower_order_final` makes the last steps of lower order


@dataclass(frozen=True, kw_only=True, eq=False)
class SolverConfig(SpacedConfig):
    """Settings of every `LogSnrScheduler`."""

    choices: ClassVar[Mapping[str, Sequence[object]]] = {
        **SchedulerConfig.choices,
        "use_dynamic_shifting": (False,),
        "time_shift_type": ("exponential",),
    }

    solver_order: int = 2
    thresholding: bool = False
    dynamic_thresholding_ratio: float = 0.995
    sample_max_value: float = 1.0
    use_flow_sigmas: bool = False
    flow_shift: float = 1.0
    use_dynamic_shifting: bool = False
    time_shift_type: str = "exponential"


SolverConfigT = TypeVar("SolverConfigT", bound=SolverConfig)


class Known(NamedTuple):
    """What was predicted, clean sample or noise, at a level."""

    level: Level
    predicted: Tensor


class LogSnrScheduler(SigmaScheduler[SolverConfigT]):
    """A solver of high order, whose levels are spaced as those of DPM-Solver.

    Latents keep variance 1.
    """

    timestep_dtype = torch.int64

    def denoised(self, model_output: Tensor, timestep: Timestep, sample: Tensor) -> Tensor:
        return self._limited(super().denoised(model_output, timestep, sample))

    def _limited(self, clean: Tensor) -> Tensor:
        c = self.config
        if not c.thresholding:
            return clean
        return dynamic_threshold(clean, c.dynamic_thresholding_ratio, c.sample_max_value)

    def _spaced(self, steps: int) -> Floats:
        """As elsewhere, but one timestep more is spaced and the cleanest of them left out."""
        c = self.config
        last = self._noisiest_timesteps()
        if c.timestep_spacing == "trailing":
            stride = c.num_train_timesteps / steps
            return np.arange(last, 0, -stride)[:steps].round() - 1
        spaced = TIMESTEP_SPACINGS[c.timestep_spacing](steps + 1, last, c.steps_offset)
        return spaced[:-1].round()

    def _noisiest_timesteps(self) -> int:
        """How many training timesteps a run may have."""
        return self.config.num_train_timesteps

    def _rounds_karras(self) -> bool:
        return True

    def _impossible(self, now: Tensor, then: Tensor) -> Tensor:
        """Between equal levels: the formula divides by the way."""
        return now == then

    def _ends(self, sigmas: Floats) -> tuple[float, float]:  # noqa: ARG002
        """Those of the whole schedule, not of the run."""
        known = self._known_sigmas()
        return float(known[0]), float(known[-1])


def unclipped_timesteps(alphas_cumprod: Tensor, lowest: float) -> int:
    """How many training timesteps are left once those below `lambda_min_clipped` are cut."""
    lambdas = torch.log(alphas_cumprod.sqrt()) - torch.log((1 - alphas_cumprod).sqrt())
    return len(alphas_cumprod) - int(torch.searchsorted(lambdas.flip(0), lowest))
