"""Schedulers that guess the clean sample and go on from that guess: DDIM, DDPM."""

from dataclasses import dataclass
from typing import TypeVar

from torch import Tensor

from kakusan.schedulers.alpha_scheduler import AlphaScheduler
from kakusan.schedulers.config import SchedulerConfig
from kakusan.schedulers.prediction import dynamic_threshold


@dataclass(frozen=True, kw_only=True, eq=False)
class PosteriorConfig(SchedulerConfig):
    """Settings of every `PosteriorScheduler`: how the guess is kept within bounds."""

    clip_sample: bool = True
    clip_sample_range: float = 1.0
    thresholding: bool = False
    dynamic_thresholding_ratio: float = 0.995
    sample_max_value: float = 1.0
    rescale_betas_zero_snr: bool = False


PosteriorConfigT = TypeVar("PosteriorConfigT", bound=PosteriorConfig)


class PosteriorScheduler(AlphaScheduler[PosteriorConfigT]):
    """A sampler of the next, less noisy sample given this one and the clean one that it shows."""

    def _limited(self, clean: Tensor) -> Tensor:
        """The guess of the clean sample within the bounds that the config sets."""
        c = self.config
        if c.thresholding:
            return dynamic_threshold(clean, c.dynamic_thresholding_ratio, c.sample_max_value)
        return clean.clamp(-c.clip_sample_range, c.clip_sample_range) if c.clip_sample else clean

    def _sees_through_noise(self) -> bool:
        """Also where the guess, which is infinite there, is clipped."""
        return super()._sees_through_noise() or (
            self.config.clip_sample and not self.config.thresholding
        )
