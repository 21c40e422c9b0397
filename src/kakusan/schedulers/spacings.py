"""Which noise levels a run visits: a table of functions for timesteps, another for sigmas.

A new spacing is one function and one line of its table; the settings that choose one
(`timestep_spacing="leading"`, `use_karras_sigmas=True`) follow from the tables' names.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from kakusan.schedulers.beta_distribution import inverse_beta

Floats = NDArray[np.floating]
BETA_SHAPE = 0.6  # both of the distribution's


def _linspace(steps: int, train_steps: int, offset: int) -> Floats:  # noqa: ARG001
    return np.linspace(0, train_steps - 1, steps)[::-1]


def _leading(steps: int, train_steps: int, offset: int) -> Floats:
    return np.arange(steps)[::-1] * float(train_steps // steps) + offset


def _trailing(steps: int, train_steps: int, offset: int) -> Floats:  # noqa: ARG001
    # Rounding in arange can give one element too many.
    return np.arange(train_steps, 0, -train_steps / steps)[:steps].round() - 1


# (steps, training steps, steps_offset) -> timesteps from noisy to clean, perhaps fractional.
# The three of arXiv:2305.08891, Table 2; only "leading" is moved by the offset.
TIMESTEP_SPACINGS: dict[str, Callable[[int, int, int], Floats]] = {
    "linspace": _linspace,
    "leading": _leading,
    "trailing": _trailing,
}


def _karras(sigma_max: float, sigma_min: float, steps: int, rho: float = 7.0) -> Floats:
    """Closest together where they are small (arXiv:2206.00364, equation 5)."""
    ramp = np.linspace(0, 1, steps)
    highest, lowest = sigma_max ** (1 / rho), sigma_min ** (1 / rho)
    return (highest + ramp * (lowest - highest)) ** rho


def _exponential(sigma_max: float, sigma_min: float, steps: int) -> Floats:
    """Equal ratios."""
    return np.exp(np.linspace(math.log(sigma_max), math.log(sigma_min), steps))


def _beta(sigma_max: float, sigma_min: float, steps: int) -> Floats:
    """Quantiles of a beta distribution, dense at both ends (arXiv:2407.12173)."""
    places = inverse_beta(1 - np.linspace(0, 1, steps), BETA_SHAPE)
    return sigma_min + places * (sigma_max - sigma_min)


# (highest sigma, lowest sigma, steps) -> sigmas from the highest to the lowest.
SIGMA_SPACINGS: dict[str, Callable[[float, float, int], Floats]] = {
    "karras": _karras,
    "exponential": _exponential,
    "beta": _beta,
}


def setting_of(spacing: str) -> str:
    """The setting that chooses one of `SIGMA_SPACINGS`: "karras" by `use_karras_sigmas`."""
    return f"use_{spacing}_sigmas"


def timesteps_of_sigmas(sigmas: Floats, known: Floats) -> Floats:
    """The fractional timesteps at which the schedule `known` (increasing) has these noise levels.

    Interpolated linearly in log sigma; outside of the schedule, its ends.
    """
    log_sigmas, log_known = np.log(np.maximum(sigmas, 1e-10)), np.log(known)
    low = (np.searchsorted(log_known, log_sigmas, side="right") - 1).clip(0, len(known) - 2)
    below, above = log_known[low], log_known[low + 1]
    weight = np.clip((below - log_sigmas) / (below - above), 0, 1)
    return (1 - weight) * low + weight * (low + 1)


def sigmas_of_timesteps(timesteps: Floats, known: Floats) -> Floats:
    """The noise levels at fractional timesteps of the schedule `known`, by log sigma."""
    return np.exp(np.interp(timesteps, np.arange(len(known)), np.log(known)))
