"""Heun's second-order method (arXiv:2206.00364, Algorithm 1)."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from kakusan.schedulers.churn import churned
from kakusan.schedulers.ladder_config import SpacedConfig
from kakusan.schedulers.levels import Level
from kakusan.schedulers.noise import Generators
from kakusan.schedulers.prediction import Prediction
from kakusan.schedulers.scheduler import SchedulerOutput
from kakusan.schedulers.sigma_scheduler import UnscaledSigmaScheduler
from kakusan.schedulers.spacings import Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class HeunConfig(SpacedConfig):
    """Settings of `HeunDiscreteScheduler`."""

    class_name = "HeunDiscreteScheduler"

    beta_start: float = 0.00085
    beta_end: float = 0.012
    clip_sample: bool = False
    clip_sample_range: float = 1.0


class _Begun(NamedTuple):
    """A step whose second half is still to come."""

    sample: Tensor
    slope: Tensor
    sigma: Tensor


class HeunDiscreteScheduler(UnscaledSigmaScheduler[HeunConfig]):
    """Two model calls a step but for the last: n steps have 2n - 1 timesteps."""

    config_class = HeunConfig
    order = 2
    takes_timesteps = True
    history: _Begun | None = None

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
        """An Euler step, then from where it led the correction by the mean of both slopes.

        With `s_churn`, noise is added before the first.
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
            clean = self._clipped(seen.at(x, self._level_of(sigma, now.timestep)).clean)
            slope = (x - clean) / sigma
            self.history = _Begun(x, slope, sigma)
            return SchedulerOutput(x + slope * (then.sigma - sigma), clean)
        begun, clean, self.history = self.history, self._clipped(seen.clean), None
        mean = (begun.slope + (x - clean) / now.sigma) / 2
        return SchedulerOutput(begun.sample + mean * (now.sigma - begun.sigma), clean)

    def _clipped(self, clean: Tensor) -> Tensor:
        largest = self.config.clip_sample_range
        return clean.clamp(-largest, largest) if self.config.clip_sample else clean

    def _impossible(self, now: Tensor, then: Tensor) -> Tensor:  # noqa: ARG002
        """Nowhere: a step of no length leaves the sample as it is."""
        return torch.zeros_like(now, dtype=torch.bool)

    def _set_levels(self, sigmas: Floats, timesteps: Floats, last: float) -> None:
        super()._set_levels(sigmas, timesteps, last)
        s, t = self.sigmas, self.timesteps
        levels = [s[:1], s[1:-1].repeat_interleave(2), s[-1:]]
        times = [t[:1], t[1:].repeat_interleave(2)]
        if self.config.ladder is not None and last > 0:  # k-diffusion corrects the last step too
            end = self._timesteps_of(np.array([last]))
            levels, times = [*levels, s[-1:]], [*times, torch.from_numpy(end).to(t)]
        self.sigmas = torch.cat(levels)
        self._set_timesteps(torch.cat(times))
