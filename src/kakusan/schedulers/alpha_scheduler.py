"""Schedulers that work on training timesteps and `alphas_cumprod`: PNDM, DDIM, DDPM."""

import numpy as np
import torch
from torch import Tensor

from kakusan.errors import RequestError
from kakusan.schedulers.configured import ConfigT
from kakusan.schedulers.levels import Level, level_of_alpha_cumprod
from kakusan.schedulers.prediction import spread
from kakusan.schedulers.run import Timestep
from kakusan.schedulers.scheduler import Scheduler
from kakusan.schedulers.spacings import TIMESTEP_SPACINGS


class AlphaScheduler(Scheduler[ConfigT]):
    """A sampler whose noise levels are training timesteps, so that a step needs no place in a run.

    Latents keep variance 1. Coefficients are float32 scalars; tensors keep their own dtype.
    """

    @property
    def final_alpha_cumprod(self) -> Tensor:
        """The `alphas_cumprod` that the last step of a run leads to."""
        return self._level_at(-1).alpha_cumprod

    def sigma_at(self, timestep: Timestep) -> float:
        alpha_cumprod = self.alphas_cumprod[int(timestep)]
        return float(((1 - alpha_cumprod) / alpha_cumprod) ** 0.5)

    def _level_at(self, timestep: Timestep) -> Level:
        """Past the clean end: no noise if `set_alpha_to_one`, else the least there is."""
        here = int(timestep)
        if here < 0 and self.config.ends_at_alpha_one:
            return level_of_alpha_cumprod(
                torch.tensor(1.0, dtype=torch.float32, device="cpu"), here
            )
        return level_of_alpha_cumprod(self.alphas_cumprod[max(here, 0)], here)

    def _levels_of(self, timesteps: Tensor, like: Tensor) -> Level:
        known = self.alphas_cumprod.to(like)[timesteps.to(like.device, torch.int64)]
        return level_of_alpha_cumprod(spread(known, like))

    def _levels_of_step(self, timestep: Timestep) -> tuple[Level, Level]:
        """From this timestep as far down as a run's even strides go, whatever it visits next."""
        self._steps_of_run()
        self._found(timestep)
        return self._level_at(timestep), self._level_at(int(timestep) - self._stride())

    def _prepare(self) -> None:
        self.timesteps = torch.arange(self.config.num_train_timesteps, device="cpu").flip(0)

    def _plan(self, steps: int) -> None:
        self.timesteps = torch.tensor(self._spaced(steps), device="cpu")
        self.num_inference_steps = steps

    def _spaced(self, steps: int) -> list[int]:
        """Training timesteps from noisy to clean."""
        c = self.config
        spacing = TIMESTEP_SPACINGS[c.timestep_spacing]
        spaced = spacing(steps, c.num_train_timesteps, c.steps_offset)
        timesteps = [int(each) for each in np.round(spaced)]
        self._check_in_schedule(timesteps[0], steps)
        return self._visible(timesteps)

    def _visible(self, timesteps: list[int]) -> list[int]:
        """The same timesteps, if the model can see something at the first.

        Raises:
            RequestError: it is pure noise, of which this model tells nothing.
        """
        if self.alphas_cumprod[timesteps[0]] == 0 and not self._sees_through_noise():
            raise RequestError(
                "rescale_betas_zero_snr makes the first step pure noise, of which epsilon "
                "prediction tells nothing; use a v_prediction model, or begin at a cleaner "
                "timestep (timestep_spacing='leading', or timesteps of your own)"
            )
        return timesteps

    def _sees_through_noise(self) -> bool:
        """Whether the prediction tells of a clean sample where there is nothing but noise."""
        return self.config.prediction_type != "epsilon"

    def _stride(self) -> int:
        """Training timesteps from one level of the run to the next."""
        return self.config.num_train_timesteps // self._steps_of_run()
