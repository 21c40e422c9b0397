"""Schedulers that walk down a list of noise levels: Euler, Heun, LMS, DPM-Solver."""

from collections.abc import Sequence
from typing import ClassVar, cast

import numpy as np
import torch
from torch import Tensor

from kakusan.errors import RequestError
from kakusan.schedulers import schedule
from kakusan.schedulers.prediction import predicted_clean_unscaled, spread
from kakusan.schedulers.schedule import Floats
from kakusan.schedulers.scheduler import ConfigT, Scheduler, Timestep


class SigmaScheduler(Scheduler[ConfigT]):
    """A sampler that is told a list of noise levels and keeps count of how far it has come.

    Attributes:
        sigmas: noise levels, falling, float32 on the CPU; one more than steps, the last is where
            the run ends.
    """

    timestep_dtype: ClassVar[torch.dtype] = torch.float32

    sigmas: Tensor
    _index: int | None  # of the next step; None before the first, which may be any of `timesteps`

    def sigma_at(self, timestep: Timestep) -> float:
        return float(self.sigmas[self._position(timestep)])

    def _prepare(self) -> None:
        if self.config.get("rescale_betas_zero_snr") is True:
            self.alphas_cumprod[-1] = schedule.SMALLEST_ALPHA_CUMPROD
        all_timesteps = np.arange(self.config.num_train_timesteps)[::-1].astype(np.float32)
        self._set_levels(schedule.all_sigmas(self.alphas_cumprod)[::-1], all_timesteps, last=0.0)

    def _plan(self, steps: int) -> None:
        timesteps = self._spaced(steps)
        self._check_in_schedule(float(timesteps[0]), steps)
        known = schedule.all_sigmas(self.alphas_cumprod)
        sigmas = np.interp(timesteps, np.arange(len(known)), known)
        sigmas, timesteps = self._respaced(sigmas, timesteps, float(sigmas[0]), float(sigmas[-1]))
        self._set_levels(sigmas, timesteps, last=self._last_sigma())
        self.num_inference_steps = steps

    def _plan_levels_at(self, timesteps: Sequence[float]) -> None:
        """What `_plan_timesteps` is in the schedulers that take custom ones."""
        known = schedule.all_sigmas(self.alphas_cumprod)
        chosen = np.array(self._checked_timesteps(timesteps), dtype=np.float32)
        sigmas = np.interp(chosen, np.arange(len(known)), known)
        self._set_levels(sigmas, chosen, last=self._last_sigma())
        self.num_inference_steps = len(timesteps)

    def _spaced(self, steps: int) -> Floats:
        """Training timesteps from noisy to clean, perhaps fractional."""
        c = self.config
        return schedule.spaced_timesteps(
            c.timestep_spacing, steps, c.num_train_timesteps, c.steps_offset
        ).astype(np.float32)

    def _respaced(
        self, sigmas: Floats, timesteps: Floats, highest: float, lowest: float
    ) -> tuple[Floats, Floats]:
        """As many noise levels in the spacing that the config asks for, and their timesteps."""
        c = self.config
        sigma_max = cast(float | None, c.get("sigma_max")) or highest
        sigma_min = cast(float | None, c.get("sigma_min")) or lowest
        if c.get("use_karras_sigmas") is True:
            sigmas = schedule.karras_sigmas(sigma_max, sigma_min, len(timesteps))
        elif c.get("use_exponential_sigmas") is True:
            sigmas = schedule.exponential_sigmas(sigma_max, sigma_min, len(timesteps))
        else:
            return sigmas, timesteps
        known = schedule.all_sigmas(self.alphas_cumprod)
        return sigmas, schedule.timesteps_of_sigmas(sigmas, known)

    def _last_sigma(self) -> float:
        """Where a run ends: 0, or the least noise of the training schedule."""
        if self.config.get("final_sigmas_type") == "sigma_min":
            return float(schedule.all_sigmas(self.alphas_cumprod)[0])
        return 0.0

    def _set_levels(self, sigmas: Floats, timesteps: Floats, last: float) -> None:
        levels = np.append(sigmas, last).astype(np.float32)
        if not (levels[:-2] > levels[1:-1]).all() or levels[-1] > levels[-2]:
            raise RequestError(
                f"{len(timesteps)} steps give equal noise levels with this config; take fewer"
            )
        self.sigmas = torch.from_numpy(levels)
        self._set_timesteps(torch.from_numpy(np.array(timesteps)))

    def _set_timesteps(self, timesteps: Tensor) -> None:
        self.timesteps = timesteps.to(self.timestep_dtype)

    def _begin_run(self) -> None:
        self._index = None

    def _begin_step(self, timestep: Timestep) -> int:
        """The index of this step's noise level; the next call gives the next."""
        if self.num_inference_steps is None:
            raise RequestError("no run has begun; call set_timesteps(steps) before step")
        index = self._find(timestep) if self._index is None else self._index
        if index >= len(self._schedule):
            raise RequestError("the run is over; call set_timesteps to begin another")
        self._index = index + 1
        return index

    def _position(self, timestep: Timestep) -> int:
        """The index of this timestep's noise level; the current one if timesteps repeat."""
        here = self._index
        if here is not None and here < len(self._schedule) and self._schedule[here] == timestep:
            return here
        return self._find(timestep)

    def _find(self, timestep: Timestep) -> int:
        value = float(timestep)
        found = [index for index, each in enumerate(self._schedule) if each == value]
        if not found:
            raise RequestError(f"timestep {value:g} is not one of this run's timesteps")
        # Of a pair (Heun's two calls at one level) the second begins a step, and so may begin a run
        # that starts midway. A run from the top begins at the top, though timesteps repeat.
        return found[1] if len(found) > 1 and found[0] > 0 else found[0]

    def _sigmas_of(self, timesteps: Tensor, like: Tensor) -> Tensor:
        indices = [self._find(each) for each in timesteps.flatten().tolist()]
        return spread(self.sigmas.to(like)[indices], like)


class UnscaledSigmaScheduler(SigmaScheduler[ConfigT]):
    """A sampler of `x = clean + sigma * noise`, as k-diffusion writes it.

    Latents grow with the noise, so the model is shown them divided by `sqrt(sigma² + 1)`.
    """

    @property
    def init_noise_sigma(self) -> float:
        highest = self.sigmas.max()
        if self.config.timestep_spacing in ("linspace", "trailing"):
            return float(highest)
        return float((highest**2 + 1) ** 0.5)

    def scale_model_input(self, sample: Tensor, timestep: Timestep) -> Tensor:
        index = self._find(timestep) if self._index is None else self._index
        return sample / (self.sigmas[index] ** 2 + 1) ** 0.5

    def denoised(self, model_output: Tensor, timestep: Timestep, sample: Tensor) -> Tensor:
        return self._denoised_at(self._position(timestep), model_output, sample)

    def add_noise(self, original_samples: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        return original_samples + noise * self._sigmas_of(timesteps, original_samples)

    def _denoised_at(self, index: int, output: Tensor, sample: Tensor) -> Tensor:
        return predicted_clean_unscaled(
            self.config.prediction_type, output, sample, self.sigmas[index]
        )
