"""Schedulers that look between two noise levels before they step: DPM2, DPM++ 2S, DPM++ SDE."""

from abc import abstractmethod
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from kakusan.schedulers.configured import ConfigT
from kakusan.schedulers.sigma_scheduler import UnscaledSigmaScheduler
from kakusan.schedulers.spacings import Floats


class Begun(NamedTuple):
    """A step whose second half is still to come."""

    sample: Tensor
    sigma: Tensor


class MidpointScheduler(UnscaledSigmaScheduler[ConfigT]):
    """Two model calls a step, at its noise level and at one on the way; a step into 0 has one.

    So n steps have 2n - 1 timesteps, every other of them between the levels. As in the reference,
    `add_noise` takes one of those for the level that its step leads to.

    Attributes:
        sigmas: the noise levels of steps, each but the first and the last twice.
        model_sigmas: those that the model is shown.
    """

    order = 2
    takes_timesteps = True
    takes_sigmas = True
    _model_sigmas: Tensor

    @property
    def model_sigmas(self) -> Tensor:
        return self._model_sigmas

    def _levels_of_steps(self) -> Tensor:
        return self._model_sigmas[:-1:2]

    @abstractmethod
    def _between(self, sigma: Tensor, following: Tensor) -> Tensor:
        """The noise levels on the way from some to others, which are not 0.

        An ancestral step goes further down: then half way is about where it is to end.
        """

    def _times_between(self, levels: Floats, between: Tensor) -> Floats:  # noqa: ARG002
        """The timesteps of the noise levels between those, falling, of steps."""
        return self._timesteps_of(between.numpy())

    def _set_levels(self, sigmas: Floats, timesteps: Floats, last: float) -> None:
        super()._set_levels(sigmas, timesteps, last)
        levels, times = self.sigmas, self.timesteps
        halved = int((levels[1:] > 0).sum())  # steps with a level on their way
        between = self._between(levels[:halved], levels[1 : halved + 1])
        middle = self._times_between(np.append(sigmas, last)[: halved + 1], between)
        self._model_sigmas = _woven(levels, between)
        twice = levels[1 : halved + 1].repeat_interleave(2)
        self.sigmas = torch.cat([levels[:1], twice, levels[halved + 1 :]])
        self._set_timesteps(_woven(times, torch.from_numpy(middle).to(times)))


def _woven(values: Tensor, between: Tensor) -> Tensor:
    """The first values each followed by one of those between, then the values that are left."""
    count = len(between)
    return torch.cat([torch.stack([values[:count], between], 1).flatten(), values[count:]])
