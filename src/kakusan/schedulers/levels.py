"""Noise levels: how much of the clean sample, and how much noise, a noisy sample holds."""

import math
from typing import NamedTuple

import torch
from torch import Tensor


class Level(NamedTuple):
    """A noise level: `x = alpha * clean + sigma * noise`.

    Attributes:
        timestep: what the model is told; negative past the last call of a run.
        alpha_cumprod: the signal's share of the variance, alpha² / (alpha² + sigma²).
        keeps_variance: alpha² + sigma² = 1 (arXiv:2006.11239). Else alpha is 1, and samples grow
            with their noise, as k-diffusion writes them.
    """

    alpha: Tensor
    sigma: Tensor
    timestep: float
    alpha_cumprod: Tensor
    keeps_variance: bool = True


def level_of_alpha_cumprod(alpha_cumprod: Tensor, timestep: float = math.nan) -> Level:
    """The level of an entry of `alphas_cumprod`."""
    return Level(alpha_cumprod**0.5, (1 - alpha_cumprod) ** 0.5, timestep, alpha_cumprod)


def level_of_sigma(sigma: Tensor, timestep: float = math.nan) -> Level:
    """The level with noise `sigma` to a clean sample of scale 1, scaled to variance 1."""
    alpha = 1 / (sigma**2 + 1) ** 0.5
    return Level(alpha, sigma * alpha, timestep, 1 / (sigma**2 + 1))


def unscaled_level_of_sigma(sigma: Tensor, timestep: float = math.nan) -> Level:
    """The same level with the clean sample at scale 1: `x = clean + sigma * noise`."""
    return Level(torch.ones_like(sigma), sigma, timestep, 1 / (sigma**2 + 1), keeps_variance=False)


def half_log_snr(level: Level) -> Tensor:
    """Lambda of arXiv:2206.00927: half the log of the signal-to-noise ratio."""
    return torch.log(level.alpha) - torch.log(level.sigma)
