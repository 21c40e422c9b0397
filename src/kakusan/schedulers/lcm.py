"""Multistep consistency sampling of latent consistency models (arXiv:2310.04378)."""

from dataclasses import dataclass

from torch import Tensor

from kakusan.schedulers.consistency import ConsistencyConfig, ConsistencyScheduler
from kakusan.schedulers.levels import Level
from kakusan.schedulers.noise import Generators, noise_like
from kakusan.schedulers.prediction import Prediction
from kakusan.schedulers.run import Timestep
from kakusan.schedulers.scheduler import SchedulerOutput

SIGMA_DATA = 0.5


@dataclass(frozen=True, kw_only=True, eq=False)
class LCMConfig(ConsistencyConfig):
    """Settings of `LCMScheduler`."""

    class_name = "LCMScheduler"


class LCMScheduler(ConsistencyScheduler[LCMConfig]):
    """Each step guesses the clean sample, and all but the last add fresh noise to the guess."""

    config_class = LCMConfig
    adds_noise = True

    def advance(
        self,
        x: Tensor,  # noqa: ARG002
        seen: Prediction,
        now: Level,  # noqa: ARG002
        then: Level,
        *,
        generator: Generators = None,
    ) -> SchedulerOutput:
        """One step of Algorithm 3."""
        clean = self._consistent(seen)
        if then.timestep < 0:
            return SchedulerOutput(clean, clean)
        noise = noise_like(seen.output, generator)
        return SchedulerOutput(then.alpha * clean + then.sigma * noise, clean)

    def denoised(self, model_output: Tensor, timestep: Timestep, sample: Tensor) -> Tensor:
        level = self._level_at(timestep)
        seen = Prediction(self.config.prediction_type, model_output, sample, level)
        return self._consistent(seen)

    def _consistent(self, seen: Prediction) -> Tensor:
        """The consistency function, which is the identity at timestep 0: equation 9."""
        time = seen.level.timestep * self.config.timestep_scaling
        skip = SIGMA_DATA**2 / (time**2 + SIGMA_DATA**2)
        out = time / (time**2 + SIGMA_DATA**2) ** 0.5
        return out * self._limited(seen.clean) + skip * seen.sample
