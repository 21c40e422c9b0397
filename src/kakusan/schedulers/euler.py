"""Euler's method on the probability flow (arXiv:2206.00364, Algorithm 2)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from kakusan.errors import RequestError
from kakusan.schedulers import schedule
from kakusan.schedulers.config import SchedulerConfig
from kakusan.schedulers.noise import Generators, noise_like
from kakusan.schedulers.prediction import predicted_clean_unscaled
from kakusan.schedulers.scheduler import SchedulerOutput, Timestep
from kakusan.schedulers.sigma_scheduler import UnscaledSigmaScheduler


@dataclass(frozen=True, kw_only=True, eq=False)
class EulerConfig(SchedulerConfig):
    """Settings of `EulerDiscreteScheduler`."""

    class_name = "EulerDiscreteScheduler"
    choices: ClassVar[Mapping[str, Sequence[object]]] = {
        **SchedulerConfig.choices,
        "interpolation_type": ("linear", "log_linear"),
        "timestep_type": ("discrete", "continuous"),
        "final_sigmas_type": ("zero", "sigma_min"),
        "use_beta_sigmas": (False,),
    }

    timestep_spacing: str = "linspace"
    interpolation_type: str = "linear"
    use_karras_sigmas: bool = False
    use_exponential_sigmas: bool = False
    use_beta_sigmas: bool = False
    sigma_min: float | None = None
    sigma_max: float | None = None
    timestep_type: str = "discrete"
    rescale_betas_zero_snr: bool = False
    final_sigmas_type: str = "zero"


class EulerDiscreteScheduler(UnscaledSigmaScheduler[EulerConfig]):
    """One model call a step, computed in float32 whatever the latents' dtype."""

    config_class = EulerConfig
    step_options = frozenset({"s_churn", "s_tmin", "s_tmax", "s_noise", "generator"})

    def step(
        self,
        model_output: Tensor,
        timestep: Timestep,
        sample: Tensor,
        *,
        s_churn: float = 0.0,
        s_tmin: float = 0.0,
        s_tmax: float = float("inf"),
        s_noise: float = 1.0,
        generator: Generators = None,
        return_dict: bool = True,  # noqa: ARG002
    ) -> SchedulerOutput:
        """One Euler step; with `s_churn`, noise is added first (lines 4 to 6 of Algorithm 2)."""
        index = self._begin_step(timestep)
        sigma, following = self.sigmas[index], self.sigmas[index + 1]
        x, churned = sample.float(), sigma
        if s_churn > 0 and s_tmin <= sigma <= s_tmax:
            churned = sigma * (1 + min(s_churn / (len(self.sigmas) - 1), 2**0.5 - 1))
            noise = noise_like(model_output, generator) * s_noise
            x = x + noise * (churned**2 - sigma**2) ** 0.5
        # A velocity was predicted for the level before the churn.
        level = churned if self.config.prediction_type == "epsilon" else sigma
        clean = predicted_clean_unscaled(self.config.prediction_type, model_output, x, level)
        x = x + (x - clean) / churned * (following - churned)
        return SchedulerOutput(x.to(model_output.dtype), clean)

    def _plan(self, steps: int) -> None:
        super()._plan(steps)
        c = self.config
        if c.interpolation_type == "log_linear":
            self._plan_log_linear(steps)
        if c.timestep_type == "continuous" and c.prediction_type == "v_prediction":
            self._set_timesteps(0.25 * self.sigmas[:-1].log())

    def _plan_log_linear(self, steps: int) -> None:
        """Equal ratios from the top of the training schedule to its bottom, the last level."""
        known = schedule.all_sigmas(self.alphas_cumprod)
        top, bottom = float(np.log(known[-1])), float(np.log(known[0]))
        levels = torch.linspace(top, bottom, steps + 1).exp().numpy()
        timesteps = self._spaced(steps)
        respaced, times = self._respaced(levels, timesteps, float(levels[0]), float(levels[-1]))
        if len(respaced) == steps:
            self._set_levels(respaced, times, last=self._last_sigma())
        else:
            self._set_levels(levels[:-1], timesteps, last=float(levels[-1]))

    def _plan_timesteps(self, timesteps: Sequence[float]) -> None:
        self._plan_levels_at(timesteps)

    def _plan_sigmas(self, sigmas: Sequence[float]) -> None:
        known = schedule.all_sigmas(self.alphas_cumprod)
        levels = np.array(_checked_sigmas(sigmas), dtype=np.float32)
        timesteps = schedule.timesteps_of_sigmas(levels[:-1], known)
        self._set_levels(levels[:-1], timesteps, last=float(levels[-1]))
        self.num_inference_steps = len(timesteps)


def _checked_sigmas(sigmas: Sequence[float]) -> list[float]:
    values = [float(each) for each in sigmas]
    falling = all(a > b for a, b in pairwise(values))
    if len(values) < 2 or not falling or values[-1] < 0 or not values[0] < float("inf"):
        raise RequestError(
            f"sigmas must be two or more numbers, falling strictly to 0 or above; got {values[:8]}"
        )
    return values
