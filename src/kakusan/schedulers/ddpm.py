"""DDPM: denoising diffusion probabilistic models (arXiv:2006.11239)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from kakusan.errors import RequestError
from kakusan.schedulers.config import SchedulerConfig
from kakusan.schedulers.noise import Generators, noise_like
from kakusan.schedulers.posterior_scheduler import PosteriorConfig, PosteriorScheduler
from kakusan.schedulers.scheduler import SchedulerOutput, Timestep


@dataclass(frozen=True, kw_only=True, eq=False)
class DDPMConfig(PosteriorConfig):
    """Settings of `DDPMScheduler`."""

    class_name = "DDPMScheduler"
    choices: ClassVar[Mapping[str, Sequence[object]]] = {
        **SchedulerConfig.choices,
        "variance_type": ("fixed_small", "fixed_small_log", "fixed_large", "fixed_large_log"),
    }

    variance_type: str = "fixed_small"


class DDPMScheduler(PosteriorScheduler[DDPMConfig]):
    """Ancestral sampling with the posterior of the forward process; also used in training."""

    config_class = DDPMConfig
    step_options = frozenset({"generator"})

    def step(
        self,
        model_output: Tensor,
        timestep: Timestep,
        sample: Tensor,
        *,
        generator: Generators = None,
        return_dict: bool = True,  # noqa: ARG002
    ) -> SchedulerOutput:
        """One step of Algorithm 2: the mean of equation 7, and noise but at timestep 0."""
        now, before = self._alphas_cumprod_around(int(timestep))
        alpha, beta = now / before, 1 - now / before
        clean = self._limited(self.denoised(model_output, timestep, sample))
        x = before**0.5 * beta / (1 - now) * clean + alpha**0.5 * (1 - before) / (1 - now) * sample
        if int(timestep) > 0:
            x = x + self._std(now, before) * noise_like(model_output, generator)
        return SchedulerOutput(x, clean)

    def _alphas_cumprod_around(self, timestep: int) -> tuple[Tensor, Tensor]:
        """`alphas_cumprod` here and at the next timestep of the run; 1 after the last."""
        self._steps_of_run()
        if timestep not in self._schedule:
            raise RequestError(f"timestep {timestep} is not one of this run's timesteps")
        following = self._schedule.index(timestep) + 1
        if following == len(self._schedule):
            return self.alphas_cumprod[timestep], torch.tensor(1.0)
        return self.alphas_cumprod[timestep], self.alphas_cumprod[int(self._schedule[following])]

    def _std(self, now: Tensor, before: Tensor) -> Tensor:
        """The two choices of section 3.2; "log" says only how a file stores it."""
        beta = 1 - now / before
        if self.config.variance_type.startswith("fixed_large"):
            return beta**0.5
        return torch.clamp((1 - before) / (1 - now) * beta, min=1e-20) ** 0.5

    def _plan_timesteps(self, timesteps: Sequence[float]) -> None:
        checked = self._checked_timesteps(timesteps)
        self.timesteps = torch.tensor([int(each) for each in checked])
        self.num_inference_steps = len(timesteps)
