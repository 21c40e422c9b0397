"""Strategic stochastic sampling of trajectory consistency distillation (arXiv:2402.19159)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from kakusan.errors import ArgumentError
from kakusan.schedulers.consistency import ConsistencyConfig, ConsistencyScheduler
from kakusan.schedulers.levels import Level
from kakusan.schedulers.noise import Generators, noise_like
from kakusan.schedulers.prediction import Prediction
from kakusan.schedulers.scheduler import SchedulerOutput


@dataclass(frozen=True, kw_only=True, eq=False)
class TCDConfig(ConsistencyConfig):
    """Settings of `TCDScheduler`; those of clipping and `timestep_scaling` change nothing here."""

    class_name = "TCDScheduler"


class TCDScheduler(ConsistencyScheduler[TCDConfig]):
    """Each step goes further down than asked for, by `eta`, and adds noise back."""

    config_class = TCDConfig
    adds_noise = True
    usual_eta = 0.3  # the authors'

    def advance(
        self,
        x: Tensor,
        seen: Prediction,
        now: Level,  # noqa: ARG002
        then: Level,
        *,
        eta: float = 0.3,
        generator: Generators = None,
    ) -> SchedulerOutput:
        """One step of Algorithm 4: to timestep (1 - eta) of the next one, and back up to that.

        Args:
            eta: the paper's gamma; 0 adds no noise, 1 makes a consistency model's step.
        """
        if not 0 <= eta <= 1:
            raise ArgumentError("{eta} is {0!r}; allowed: 0 (deterministic) to 1", eta)
        clean, following = seen.clean, max(then.timestep, 0)
        # in float32, where 0.7 * 700 is 490
        below = self._level_at(int(np.float32(1 - eta) * np.float32(following)))
        x = below.alpha * clean + below.sigma * seen.noise
        if eta > 0 and then.timestep >= 0:
            kept = then.alpha_cumprod / below.alpha_cumprod
            x = kept**0.5 * x + (1 - kept) ** 0.5 * noise_like(seen.output, generator)
        return SchedulerOutput(x, clean)

    def _origin(self) -> NDArray[np.int64]:
        """Every training timestep where `set_timesteps` was told how many to choose from."""
        if self._original_steps is None:
            return super()._origin()
        return np.arange(int(self.config.num_train_timesteps * self._strength))

    def _limited(self, clean: Tensor) -> Tensor:
        return clean

    def _sees_through_noise(self) -> bool:
        return self.config.prediction_type != "epsilon"
