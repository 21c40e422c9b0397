"""Schedulers of networks that were distilled to few steps: LCM and TCD.

They visit a few of the timesteps that the distillation used, evenly by index.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from kakusan.errors import ArgumentError
from kakusan.schedulers import checks
from kakusan.schedulers.levels import Level
from kakusan.schedulers.posterior_scheduler import PosteriorConfig, PosteriorScheduler
from kakusan.schedulers.run import Timestep


@dataclass(frozen=True, kw_only=True, eq=False)
class ConsistencyConfig(PosteriorConfig):
    """Settings of LCM and TCD.

    Of these the published ones `timestep_spacing` and `steps_offset` change nothing here.
    """

    ranges: ClassVar = {
        **PosteriorConfig.ranges,
        "original_inference_steps": (1, 100_000),
        "timestep_scaling": (1e-10, 1e10),
    }

    beta_start: float = 0.00085
    beta_end: float = 0.012
    beta_schedule: str = "scaled_linear"
    original_inference_steps: int = 50
    clip_sample: bool = False
    set_alpha_to_one: bool = True
    timestep_scaling: float = 10.0


ConsistencyConfigT = TypeVar("ConsistencyConfigT", bound=ConsistencyConfig)


class ConsistencyScheduler(PosteriorScheduler[ConsistencyConfigT]):
    """A sampler that goes from each timestep of a run to the next one of it."""

    takes_timesteps = True

    _original_steps: int | None = None  # as `set_timesteps` was asked
    _strength: float = 1.0

    def set_timesteps(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        num_inference_steps: int | None = None,
        device: torch.device | str | None = None,
        original_inference_steps: int | None = None,
        timesteps: Sequence[float] | None = None,
        strength: float = 1.0,
        *,
        sigmas: Sequence[float] | None = None,
    ) -> None:
        """Begin a run of so many steps, or through given timesteps.

        Args:
            original_inference_steps: of how many timesteps the run's are chosen; the config's.
            strength: which part of the way is gone, from 0 to 1: the less noisy one.

        Raises:
            RequestError: no or several of them given, or fewer timesteps than steps to choose from.
        """
        if not 0 < strength <= 1:
            raise ArgumentError("{strength} is {0!r}; allowed: above 0, at most 1", strength)
        c, asked = self.config, original_inference_steps
        known = c.original_inference_steps if asked is None else asked
        checks.checked_count("{original_inference_steps}", known, c)
        self._original_steps, self._strength = asked, strength
        super().set_timesteps(num_inference_steps, device, timesteps=timesteps, sigmas=sigmas)

    def _origin(self) -> NDArray[np.int64]:
        """The timesteps that the distillation used, rising, as far as `strength` goes."""
        steps = self._original_steps or self.config.original_inference_steps
        stride = self.config.num_train_timesteps // steps
        return np.arange(1, int(steps * self._strength) + 1) * stride - 1

    def _spaced(self, steps: int) -> list[int]:
        original = self._original_steps or self.config.original_inference_steps
        origin = self._origin()[::-1]
        if steps > min(len(origin), original):
            raise ArgumentError(
                "{num_inference_steps}={0} is more than the {1} of original_inference_steps={2} "
                "at strength {3:g}; take fewer",
                steps,
                min(len(origin), original),
                original,
                self._strength,
            )
        chosen = np.floor(np.linspace(0, len(origin), steps, endpoint=False)).astype(np.int64)
        return self._visible([int(each) for each in origin[chosen]])

    def _plan_timesteps(self, timesteps: list[float]) -> None:
        count = len(timesteps)
        left = timesteps[count - min(int(count * self._strength), count) :]
        if not left:
            raise ArgumentError(
                "strength {0:g} leaves none of {1} timesteps; raise it", self._strength, count
            )
        self.timesteps = torch.tensor(self._visible([int(each) for each in left]), device="cpu")
        self.num_inference_steps = len(left)

    def _levels_of_step(self, timestep: Timestep) -> tuple[Level, Level]:
        """From this timestep to the next one of the run; past the clean end after the last."""
        self._steps_of_run()
        index = self._go_to(timestep)
        following = [*self.schedule, -1.0][index + 1]
        return self._level_at(self.schedule[index]), self._level_at(following)
