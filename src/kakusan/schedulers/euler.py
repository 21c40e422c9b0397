"""Euler's method on the probability flow (arXiv:2206.00364, Algorithm 2)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from kakusan.schedulers.churn import churned
from kakusan.schedulers.config import SchedulerConfig
from kakusan.schedulers.configured import ConfigT
from kakusan.schedulers.ladder_config import SpacedConfig
from kakusan.schedulers.levels import Level
from kakusan.schedulers.noise import Generators
from kakusan.schedulers.prediction import Prediction
from kakusan.schedulers.scheduler import SchedulerOutput
from kakusan.schedulers.sigma_scheduler import UnscaledSigmaScheduler


@dataclass(frozen=True, kw_only=True, eq=False)
class EulerConfig(SpacedConfig):
    """Settings of `EulerDiscreteScheduler`."""

    class_name = "EulerDiscreteScheduler"
    choices: ClassVar[Mapping[str, Sequence[object]]] = {
        **SchedulerConfig.choices,
        "interpolation_type": ("linear", "log_linear"),
        "timestep_type": ("discrete", "continuous"),
        "final_sigmas_type": ("zero", "sigma_min"),
    }

    interpolation_type: str = "linear"
    sigma_min: float | None = None
    sigma_max: float | None = None
    timestep_type: str = "discrete"
    rescale_betas_zero_snr: bool = False
    final_sigmas_type: str = "zero"


class EulerMethod(UnscaledSigmaScheduler[ConfigT]):
    """One model call a step, computed in float32 whatever the latents' dtype."""

    takes_sigmas = True

    def advance(
        self,
        x: Tensor,
        seen: Prediction,
        now: Level,
        then: Level,
        *,
        s_churn: float = 0.0,
        s_tmin: float = 0.0,
        s_tmax: float = float("inf"),
        s_noise: float = 1.0,
        generator: Generators = None,
    ) -> SchedulerOutput:
        """One Euler step; with `s_churn`, noise is added first (lines 4 to 6 of Algorithm 2)."""
        x, sigma = churned(
            x.float(),
            now.sigma,
            len(self.schedule),
            seen.output,
            s_churn=s_churn,
            s_tmin=s_tmin,
            s_tmax=s_tmax,
            s_noise=s_noise,
            generator=generator,
        )
        # A velocity was predicted for the level before the churn, but not so on EDM's levels.
        follows = seen.kind == "epsilon" or seen.sigma_data is not None
        clean = seen.at(x, self._level_of(sigma, now.timestep) if follows else now).clean
        x = x + (x - clean) / sigma * (then.sigma - sigma)
        return SchedulerOutput(x.to(seen.output.dtype), clean)

    def _impossible(self, now: Tensor, then: Tensor) -> Tensor:  # noqa: ARG002
        """Nowhere: a step of no length leaves the sample as it is."""
        return torch.zeros_like(now, dtype=torch.bool)


class EulerDiscreteScheduler(EulerMethod[EulerConfig]):
    """Euler's method on the noise levels of training timesteps."""

    config_class = EulerConfig
    takes_timesteps = True

    def _plan(self, steps: int) -> None:
        super()._plan(steps)
        c = self.config
        if c.interpolation_type == "log_linear" and c.ladder is None:
            self._plan_log_linear(steps)
        continuous = c.timestep_type == "continuous" and c.prediction_type == "v_prediction"
        if continuous and c.edm is None:
            self._set_timesteps(0.25 * self.sigmas[:-1].log())

    def _plan_log_linear(self, steps: int) -> None:
        """Equal ratios from the top of the training schedule to its bottom, the last level."""
        known = self._known_sigmas()
        top, bottom = float(np.log(known[-1])), float(np.log(known[0]))
        levels = (
            torch.linspace(top, bottom, steps + 1, dtype=torch.float32, device="cpu").exp().numpy()
        )
        timesteps = self._spaced(steps)
        respaced, times = self._respaced(levels, timesteps)
        if len(respaced) == steps:
            self._set_levels(respaced, times, last=self._last_sigma(respaced))
        else:
            self._set_levels(levels[:-1], timesteps, last=float(levels[-1]))
