"""Heun's second-order method (arXiv:2206.00364, Algorithm 1)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from kakusan.schedulers.config import SchedulerConfig
from kakusan.schedulers.schedule import Floats
from kakusan.schedulers.scheduler import SchedulerOutput, Timestep
from kakusan.schedulers.sigma_scheduler import UnscaledSigmaScheduler


@dataclass(frozen=True, kw_only=True, eq=False)
class HeunConfig(SchedulerConfig):
    """Settings of `HeunDiscreteScheduler`."""

    class_name = "HeunDiscreteScheduler"
    choices: ClassVar[Mapping[str, Sequence[object]]] = {
        **SchedulerConfig.choices,
        "use_beta_sigmas": (False,),
    }

    beta_start: float = 0.00085
    beta_end: float = 0.012
    timestep_spacing: str = "linspace"
    use_karras_sigmas: bool = False
    use_exponential_sigmas: bool = False
    use_beta_sigmas: bool = False
    clip_sample: bool = False
    clip_sample_range: float = 1.0


class _Begun(NamedTuple):
    """A step whose second half is still to come."""

    sample: Tensor
    derivative: Tensor


class HeunDiscreteScheduler(UnscaledSigmaScheduler[HeunConfig]):
    """Two model calls a step but for the last: n steps have 2n - 1 timesteps."""

    config_class = HeunConfig
    order = 2

    def step(
        self,
        model_output: Tensor,
        timestep: Timestep,
        sample: Tensor,
        *,
        return_dict: bool = True,  # noqa: ARG002
    ) -> SchedulerOutput:
        """An Euler step, then from where it led the correction by the mean of both slopes."""
        index = self._begin_step(timestep)
        clean = self._denoised_at(index, model_output, sample)
        if self.config.clip_sample:
            clean = clean.clamp(-self.config.clip_sample_range, self.config.clip_sample_range)
        derivative = (sample - clean) / self.sigmas[index]
        if self._begun is None:
            x = sample + derivative * (self.sigmas[index + 1] - self.sigmas[index])
            self._begun = _Begun(sample, derivative)
        else:
            mean = (self._begun.derivative + derivative) / 2
            x = self._begun.sample + mean * (self.sigmas[index] - self.sigmas[index - 1])
            self._begun = None
        return SchedulerOutput(x, clean)

    def _plan_timesteps(self, timesteps: Sequence[float]) -> None:
        self._plan_levels_at(timesteps)

    def _set_levels(self, sigmas: Floats, timesteps: Floats, last: float) -> None:
        super()._set_levels(sigmas, timesteps, last)
        s, t = self.sigmas, self.timesteps
        self.sigmas = torch.cat([s[:1], s[1:-1].repeat_interleave(2), s[-1:]])
        self._set_timesteps(torch.cat([t[:1], t[1:].repeat_interleave(2)]))

    def _begin_run(self) -> None:
        super()._begin_run()
        self._begun: _Begun | None = None
