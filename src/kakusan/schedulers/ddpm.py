"""DDPM: denoising diffusion probabilistic models (arXiv:2006.11239)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from kakusan.schedulers.config import SchedulerConfig
from kakusan.schedulers.levels import Level
from kakusan.schedulers.noise import Generators, noise_like
from kakusan.schedulers.posterior_scheduler import PosteriorConfig, PosteriorScheduler
from kakusan.schedulers.prediction import Prediction
from kakusan.schedulers.run import Timestep
from kakusan.schedulers.scheduler import SchedulerOutput


@dataclass(frozen=True, kw_only=True, eq=False)
class DDPMConfig(PosteriorConfig):
    """Settings of `DDPMScheduler`."""

    class_name = "DDPMScheduler"
    choices: ClassVar[Mapping[str, Sequence[object]]] = {
        **SchedulerConfig.choices,
        "variance_type": ("fixed_small", "fixed_small_log", "fixed_large", "fixed_large_log"),
    }

    variance_type: str = "fixed_small"

    @property
    def ends_at_alpha_one(self) -> bool:
        return True


class DDPMScheduler(PosteriorScheduler[DDPMConfig]):
    """Ancestral sampling with the posterior of the forward process; also used in training."""

    config_class = DDPMConfig
    adds_noise = True
    takes_timesteps = True

    def advance(
        self, x: Tensor, seen: Prediction, now: Level, then: Level, *, generator: Generators = None
    ) -> SchedulerOutput:
        """One step of Algorithm 2: the mean of equation 7, and noise but at timestep 0."""
        a, b = now.alpha_cumprod, then.alpha_cumprod
        alpha, beta = a / b, 1 - a / b
        clean = self._limited(seen.clean)
        mean = then.alpha * beta / (1 - a) * clean + alpha**0.5 * (1 - b) / (1 - a) * x
        if now.timestep > 0:
            mean = mean + self._std(a, b) * noise_like(seen.output, generator)
        return SchedulerOutput(mean, clean)

    def _std(self, now: Tensor, then: Tensor) -> Tensor:
        """The two choices of section 3.2; "log" says only how a file stores it."""
        beta = 1 - now / then
        if self.config.variance_type.startswith("fixed_large"):
            return beta**0.5
        return torch.clamp((1 - then) / (1 - now) * beta, min=1e-20) ** 0.5

    def _levels_of_step(self, timestep: Timestep) -> tuple[Level, Level]:
        """From this timestep to the next one of the run; to no noise after the last."""
        following = self.previous_timestep(timestep)
        return self._level_at(timestep), self._level_at(following)

    def previous_timestep(self, timestep: Timestep) -> int:
        """The run's next timestep, which is less noisy; -1 after the last.

        Raises:
            RequestError: `timestep` is not one of this run's.
        """
        return int([*self.schedule, -1][self._found(timestep)[0] + 1])

    def _plan_timesteps(self, timesteps: list[float]) -> None:
        self.timesteps = torch.tensor([int(each) for each in timesteps], device="cpu")
        self.num_inference_steps = len(timesteps)
