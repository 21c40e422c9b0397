"""Schedulers that walk down a list of noise levels: Euler, Heun, LMS, DPM-Solver."""

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from kakusan.errors import RequestError
from kakusan.schedulers import schedule
from kakusan.schedulers.configured import ConfigT
from kakusan.schedulers.ladders import ladder_levels
from kakusan.schedulers.levels import Level, level_of_sigma, unscaled_level_of_sigma
from kakusan.schedulers.prediction import spread
from kakusan.schedulers.run import Timestep
from kakusan.schedulers.scheduler import Scheduler
from kakusan.schedulers.spacings import (
    SIGMA_SPACINGS,
    TIMESTEP_SPACINGS,
    Floats,
    timesteps_of_sigmas,
)


class SigmaScheduler(Scheduler[ConfigT]):
    """A sampler that is told a list of noise levels and keeps count of how far it has come.

    Latents keep variance 1.

    Attributes:
        sigmas: noise levels, falling, float32 on the CPU; one more than steps, the last is where
            the run ends.
    """

    timestep_dtype: ClassVar[torch.dtype] = torch.float32

    sigmas: Tensor

    @property
    def init_noise_sigma(self) -> float:
        """1, or on a ladder of k-diffusion's convention its top level at variance 1."""
        if self.config.ladder is None:
            return 1.0
        highest = float(self.sigmas.max())
        return highest / (highest**2 + 1) ** 0.5

    @property
    def model_sigmas(self) -> Tensor:
        """The noise level at each of `timesteps`, and where the run ends."""
        return self.sigmas

    def scale_model_input(self, sample: Tensor, timestep: Timestep) -> Tensor:
        edm = self.config.edm
        if edm is None:
            return sample
        index = self._place(timestep)
        return edm.shown(sample / self._level(index).alpha, self.model_sigmas[index])

    def sigma_at(self, timestep: Timestep) -> float:
        return float(self.model_sigmas[self._position(timestep)])

    def index_for_timestep(self, timestep: Timestep) -> int:
        """Where in `timesteps` and `sigmas` a timestep is; the current place if they repeat.

        Raises:
            RequestError: it is not one of this run's.
        """
        return self._position(timestep)

    def steps_left(self) -> int:
        """This step and those after it."""
        return len(self.schedule) - (self._step_index or 0)

    def _level_of(self, sigma: Tensor, timestep: float) -> Level:
        return level_of_sigma(sigma, timestep)

    def _level_at(self, timestep: Timestep) -> Level:
        return self._level(self._position(timestep))

    def _levels_of(self, timesteps: Tensor, like: Tensor) -> Level:
        indices = [self._position(each) for each in timesteps.flatten()]
        return self._level_of(spread(self.sigmas.to(like)[indices], like), -1)

    def _levels_of_step(self, timestep: Timestep) -> tuple[Level, Level]:
        self._check_begun()
        index = self._go_to(timestep)
        return self._level(index), self._level(index + 1)

    def _check_begun(self) -> None:
        self._steps_of_run()

    def _level(self, index: int) -> Level:
        timestep = self.schedule[index] if index < len(self.schedule) else -1
        return self._level_of(self.model_sigmas[index], timestep)

    def _position(self, timestep: Timestep) -> int:
        """The index of this timestep's noise level; the current one if timesteps repeat."""
        return self._likeliest(self._found(timestep))

    def _prepare(self) -> None:
        if self.config.zero_terminal_snr:
            self.alphas_cumprod[-1] = schedule.SMALLEST_ALPHA_CUMPROD
        known = self._known_sigmas()
        timesteps = np.arange(len(known)) if self.config.edm is None else self._timesteps_of(known)
        self._set_levels(known[::-1], timesteps[::-1].astype(np.float32), last=0.0)

    def _plan(self, steps: int) -> None:
        if self.config.ladder is None:
            self._plan_spaced(steps)
        else:
            self._plan_ladder(self.config.ladder, steps)
        self.num_inference_steps = steps

    def _plan_ladder(self, ladder: str, steps: int) -> None:
        discard = self.config.discards_penultimate
        known = self._known_sigmas().astype(np.float64)
        sigmas = ladder_levels(ladder, known, steps, discard=discard)
        timesteps = self._timesteps_of(sigmas[:-1])
        self._set_levels(sigmas[:-1], timesteps, last=float(sigmas[-1]))

    def _plan_spaced(self, steps: int) -> None:
        timesteps = self._spaced(steps)
        self._check_in_schedule(float(timesteps[0]), steps)
        sigmas = self._interpolated(timesteps)
        sigmas, timesteps = self._respaced(sigmas, timesteps)
        self._set_levels(sigmas, timesteps, last=self._last_sigma(sigmas))

    def _plan_timesteps(self, timesteps: list[float]) -> None:
        chosen = np.array(timesteps, dtype=np.float32)
        sigmas = self._interpolated(chosen)
        self._set_levels(sigmas, chosen, last=self._last_sigma(sigmas))
        self.num_inference_steps = len(timesteps)

    def _plan_sigmas(self, sigmas: list[float]) -> None:
        levels = np.array(sigmas, dtype=np.float32)
        timesteps = self._timesteps_of(levels[:-1])
        self._set_levels(levels[:-1], timesteps, last=float(levels[-1]))
        self.num_inference_steps = len(timesteps)

    def _known_sigmas(self) -> Floats:
        """The noise level of every training timestep, increasing."""
        edm = self.config.edm
        if edm is not None:
            return edm.known(self.config.num_train_timesteps)
        return schedule.all_sigmas(self.alphas_cumprod)

    def _timesteps_of(self, sigmas: Floats) -> Floats:
        """What the model is told at noise levels."""
        edm = self.config.edm
        if edm is not None:
            return edm.timesteps(sigmas)
        return timesteps_of_sigmas(sigmas, self._known_sigmas())

    def _interpolated(self, timesteps: Floats) -> Floats:
        known = self._known_sigmas()
        return np.interp(timesteps, np.arange(len(known)), known)

    def _spaced(self, steps: int) -> Floats:
        """Training timesteps from noisy to clean, perhaps fractional."""
        c = self.config
        spacing = TIMESTEP_SPACINGS[c.timestep_spacing]
        return spacing(steps, c.num_train_timesteps, c.steps_offset).astype(np.float32)

    def _respaced(self, sigmas: Floats, timesteps: Floats) -> tuple[Floats, Floats]:
        """As many noise levels in the spacing that the config asks for, and their timesteps."""
        spacing = self.config.sigma_spacing
        if spacing is None:
            return sigmas, timesteps
        lowest, highest = self.config.sigma_range(*self._ends(sigmas))
        sigmas = SIGMA_SPACINGS[spacing](highest, lowest, len(timesteps))
        timesteps = self._timesteps_of(sigmas)
        whole = spacing == "karras" and self._rounds_karras()
        return sigmas, timesteps.round() if whole else timesteps

    def _rounds_karras(self) -> bool:
        """Whether the timesteps of Karras's noise levels are whole, as in the reference's class."""
        return False

    def _ends(self, sigmas: Floats) -> tuple[float, float]:
        """The least and the most noise between which a run's levels are spaced."""
        return float(sigmas[-1]), float(sigmas[0])

    def _last_sigma(self, sigmas: Floats) -> float:  # noqa: ARG002
        """Where a run through `sigmas` ends: 0, or the least noise of the training schedule."""
        return float(self._known_sigmas()[0]) if self.config.ends_at_sigma_min else 0.0

    def _set_levels(self, sigmas: Floats, timesteps: Floats, last: float) -> None:
        self.sigmas = torch.from_numpy(np.append(sigmas, last).astype(np.float32))
        self._set_timesteps(torch.from_numpy(np.array(timesteps)))

    def _check_plan(self) -> None:
        levels = self._levels_of_steps()
        if bool(self._impossible(levels[:-1], levels[1:]).any()):
            raise RequestError(
                f"{self.num_inference_steps} steps give equal noise levels with this config; "
                "take fewer"
            )

    def _levels_of_steps(self) -> Tensor:
        """The noise level that each step begins at."""
        return self.sigmas[:-1]

    def _impossible(self, now: Tensor, then: Tensor) -> Tensor:
        """Between which levels no step can be computed.

        Levels of many steps can be equal. Those at the top of a schedule with zero terminal SNR,
        where its rounding counts, can even rise.
        """
        return now <= then

    def _set_timesteps(self, timesteps: Tensor) -> None:
        whole = self.config.ladder is None
        self.timesteps = timesteps.to(self.timestep_dtype if whole else torch.float32)


class UnscaledSigmaScheduler(SigmaScheduler[ConfigT]):
    """A sampler of `x = clean + sigma * noise`, as k-diffusion writes it.

    Latents grow with the noise, so the model is shown them divided by `sqrt(sigma² + 1)`.
    """

    @property
    def init_noise_sigma(self) -> float:
        highest = self.sigmas.max()
        if self.config.timestep_spacing == "leading" and self.config.ladder is None:
            return float((highest**2 + 1) ** 0.5)
        return float(highest)

    def scale_model_input(self, sample: Tensor, timestep: Timestep) -> Tensor:
        if self.config.edm is not None:
            return super().scale_model_input(sample, timestep)
        return sample / (self.model_sigmas[self._place(timestep)] ** 2 + 1) ** 0.5

    def _check_begun(self) -> None:
        """Nothing: before `set_timesteps` a run has every training timestep."""

    def _level_of(self, sigma: Tensor, timestep: float) -> Level:
        return unscaled_level_of_sigma(sigma, timestep)
