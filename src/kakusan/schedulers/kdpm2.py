"""DPM-Solver-2 in steps of sigma, as k-diffusion's `sample_dpm_2` introduced it."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from kakusan.schedulers.churn import churned
from kakusan.schedulers.configured import ConfigT
from kakusan.schedulers.ladder_config import SpacedConfig
from kakusan.schedulers.levels import Level
from kakusan.schedulers.midpoint_scheduler import Begun, MidpointScheduler
from kakusan.schedulers.noise import Generators
from kakusan.schedulers.prediction import Prediction
from kakusan.schedulers.scheduler import SchedulerOutput
from kakusan.schedulers.spacings import Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class KDPM2Config(SpacedConfig):
    """Settings of `KDPM2DiscreteScheduler`."""

    class_name = "KDPM2DiscreteScheduler"

    beta_start: float = 0.00085
    beta_end: float = 0.012


class KDPM2Scheduler(MidpointScheduler[ConfigT]):
    """The midpoint method in sigma: a step goes along the slope that there is half way.

    Half way is so in log sigma. Timesteps are computed as the reference does it.
    """

    history: Begun | None = None

    def _rounds_karras(self) -> bool:
        return True

    def _times_between(self, levels: Floats, between: Tensor) -> Floats:  # noqa: ARG002
        """In float32, to the last digit."""
        if self.config.edm is not None:
            return self._timesteps_of(between.numpy())
        log, known = np.log(between.numpy()), np.log(self._known_sigmas())
        low = (np.searchsorted(known, log, side="right") - 1).clip(0, len(known) - 2)
        weight = np.clip((known[low] - log) / (known[low] - known[low + 1]), 0, 1)
        low = low.astype(np.float32)
        return (1 - weight) * low + weight * (low + 1)

    def _set_timesteps(self, timesteps: Tensor) -> None:
        """Those of respaced levels are float64."""
        respaced = self.config.sigma_spacing is not None
        self.timesteps = timesteps.to(torch.float64 if respaced else torch.float32)


class KDPM2DiscreteScheduler(KDPM2Scheduler[KDPM2Config]):
    """DPM2; n steps have 2n - 1 timesteps."""

    config_class = KDPM2Config

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
        """Go half way, or the whole step with the slope of half way.

        With `s_churn`, noise is added first; half way stays where it was planned.
        """
        if self.history is None:
            x, sigma = churned(
                x,
                now.sigma,
                (len(self.schedule) + 1) // self.order,
                seen.output,
                s_churn=s_churn,
                s_tmin=s_tmin,
                s_tmax=s_tmax,
                s_noise=s_noise,
                generator=generator,
            )
            clean = seen.at(x, self._level_of(sigma, now.timestep)).clean
            self.history = Begun(x, sigma)
            return SchedulerOutput(x + (x - clean) / sigma * (then.sigma - sigma), clean)
        begun, clean, self.history = self.history, seen.clean, None
        slope = (x - clean) / now.sigma
        return SchedulerOutput(begun.sample + slope * (then.sigma - begun.sigma), clean)

    def _between(self, sigma: Tensor, following: Tensor) -> Tensor:
        return following.log().lerp(sigma.log(), 0.5).exp()
