"""The noise levels that AUTOMATIC1111's web UI and ComfyUI walk down: a table of functions.

They differ from the reference library's in where they begin and end, and in that noise levels and
timesteps follow from one another by interpolation in log sigma (k-diffusion). The setting
`sigma_schedule` chooses one; a new one is one function and one line of the table, and its names are
in `kakusan.samplers`.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np

from kakusan.schedulers.beta_distribution import inverse_beta
from kakusan.schedulers.spacings import (
    BETA_SHAPE,
    SIGMA_SPACINGS,
    Floats,
    sigmas_of_timesteps,
    timesteps_of_sigmas,
)

# (noise level of every training timestep, rising; steps) -> levels of a run, falling, where it ends
# included
Ladder = Callable[[Floats, int], Floats]


def _to_zero(levels: Floats) -> Floats:
    return np.append(levels, 0.0)


def _spaced(spacing: str) -> Ladder:
    """A spacing between the ends of the training schedule."""
    return lambda known, steps: _to_zero(SIGMA_SPACINGS[spacing](known[-1], known[0], steps))


def _uniform(known: Floats, steps: int) -> Floats:
    """Timesteps at equal distances, both ends included (k-diffusion's `get_sigmas`)."""
    return _to_zero(sigmas_of_timesteps(np.linspace(len(known) - 1, 0, steps), known))


def _sgm_uniform(known: Floats, steps: int) -> Floats:
    """Timesteps at equal distances, the cleanest left out (Stability's generative-models)."""
    ends = timesteps_of_sigmas(known[[-1, 0]], known)
    return _to_zero(sigmas_of_timesteps(np.linspace(ends[0], ends[1], steps + 1)[:-1], known))


def _simple(known: Floats, steps: int) -> Floats:
    """Every so-manieth of the training schedule, from its noisiest (ComfyUI)."""
    return _to_zero(known[[-(1 + int(i * len(known) / steps)) for i in range(steps)]])


def _ddim_uniform(known: Floats, steps: int) -> Floats:
    """DDIM's timesteps; more of them where steps do not divide the training schedule (ComfyUI)."""
    return _to_zero(known[1 :: max(len(known) // steps, 1)][::-1])


def _turbo(known: Floats, steps: int) -> Floats:
    """The timesteps of SDXL Turbo, the last of each stretch (Forge)."""
    ends = np.round(np.arange(steps, 0, -1) * len(known) / steps - 1)
    return _to_zero(known[ends.astype(int)])


def _beta_of_timesteps(known: Floats, steps: int) -> Floats:
    """Whole timesteps, dense at both ends; fewer where some are equal (ComfyUI)."""
    places = inverse_beta(1 - np.linspace(0, 1, steps, endpoint=False), BETA_SHAPE)
    timesteps = np.unique(np.rint(places * (len(known) - 1)).astype(int))
    return _to_zero(known[timesteps[::-1]])


def _kl_optimal(known: Floats, steps: int) -> Floats:
    """arXiv:2404.14507, its solution for Gaussian data; ends at the least noise (AUTOMATIC1111)."""
    part = np.arange(steps + 1) / steps
    return np.tan(part * math.atan(known[0]) + (1 - part) * math.atan(known[-1]))


def _kl_optimal_to_zero(known: Floats, steps: int) -> Floats:
    """The same in one level less, and then 0 (ComfyUI)."""
    if steps == 1:
        return _to_zero(known[-1:])
    return _to_zero(_kl_optimal(known, steps - 1))


def _linear_quadratic(known: Floats, steps: int) -> Floats:
    """Half of the steps over the first fortieth, then ever longer ones (ComfyUI; Mochi)."""
    if steps == 1:
        return _to_zero(known[-1:])
    threshold, half = 0.025, steps // 2
    slope, gap = threshold / half, half - threshold * steps
    square = gap / (half * (steps - half) ** 2)
    straight = slope - 2 * gap / (steps - half) ** 2
    i = np.arange(half, steps)
    gone = np.append(np.arange(half) * slope, square * i**2 + straight * i + square * half**2)
    return _to_zero((1 - gone) * known[-1])


def _tabled(levels: Sequence[float]) -> Ladder:
    """Eleven published levels, interpolated in log sigma for any other number of steps."""

    def ladder(_known: Floats, steps: int) -> Floats:
        if steps == len(levels):
            return _to_zero(np.array(levels))
        # reversed, as AUTOMATIC1111 interpolates: one step begins at the least noise there, too,
        # which leaves a picture of noise
        places = np.linspace(0, 1, len(levels))
        rising = np.interp(np.linspace(0, 1, steps), places, np.log(levels[::-1]))
        return _to_zero(np.exp(rising)[::-1])

    return ladder


def _tabled_to_zero(levels: Sequence[float]) -> Ladder:
    """Eleven levels, interpolated likewise between both ends, of which the last becomes 0."""

    def ladder(_known: Floats, steps: int) -> Floats:
        places = np.linspace(0, 1, len(levels))
        rising = np.interp(np.linspace(0, 1, steps + 1), places, np.log(levels[::-1]))
        return _to_zero(np.exp(rising)[:0:-1])

    return ladder


def _sd_turbo(known: Floats, steps: int) -> Floats:
    """The first of ten timesteps, 999, 899 and so on; never more than these (ComfyUI)."""
    ends = np.arange(10, 0, -1)[:steps] * len(known) // 10 - 1
    return _to_zero(known[ends])


# arXiv:2404.14507 for Stable Diffusion 1.5 and XL, and GITS (arXiv:2405.11326), as Forge has them
_ALIGNED = (14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152, 0.029)
_ALIGNED_XL = (14.615, 6.315, 3.771, 2.181, 1.342, 0.862, 0.555, 0.380, 0.234, 0.113, 0.029)
# As ComfyUI's node has them, with more digits
_ALIGNED_NODE = (
    *(14.6146412293, 6.4745760956, 3.8636745985, 2.6946151520, 1.8841921177, 1.3943805092),
    *(0.9642583904, 0.6523686016, 0.3977456272, 0.1515232662, 0.0291671582),
)
_ALIGNED_NODE_XL = (
    *(14.6146412293, 6.3184485287, 3.7681790315, 2.1811480769, 1.3405244945, 0.8620721141),
    *(0.5550693289, 0.3798540708, 0.2332364134, 0.1114188177, 0.0291671582),
)
_GITS = (14.615, 4.617, 2.507, 1.236, 0.702, 0.402, 0.240, 0.156, 0.104, 0.094, 0.029)
_GITS_XL = (14.615, 4.734, 2.567, 1.529, 0.987, 0.652, 0.418, 0.268, 0.179, 0.127, 0.029)

LADDERS: dict[str, Ladder] = {
    "uniform": _uniform,
    "karras": _spaced("karras"),
    "exponential": _spaced("exponential"),
    "polyexponential": _spaced("exponential"),  # with rho 1, which is all that anybody offers
    "sgm_uniform": _sgm_uniform,
    "simple": _simple,
    "ddim_uniform": _ddim_uniform,
    "beta": _spaced("beta"),
    "beta_of_timesteps": _beta_of_timesteps,
    "kl_optimal": _kl_optimal,
    "kl_optimal_to_zero": _kl_optimal_to_zero,
    "linear_quadratic": _linear_quadratic,
    "align_your_steps": _tabled(_ALIGNED),
    "align_your_steps_xl": _tabled(_ALIGNED_XL),
    "gits": _tabled(_GITS),
    "gits_xl": _tabled(_GITS_XL),
    "turbo": _turbo,
    "align_your_steps_sd1": _tabled_to_zero(_ALIGNED_NODE),
    "align_your_steps_sdxl": _tabled_to_zero(_ALIGNED_NODE_XL),
    "sd_turbo": _sd_turbo,
}


def ladder_levels(schedule: str, known: Floats, steps: int, *, discard: bool) -> Floats:
    """The levels of a run, falling, where it ends included.

    Args:
        discard: make one more, and leave out the last but one, as AUTOMATIC1111 and ComfyUI do.
    """
    levels = LADDERS[schedule](known, steps + discard)
    return np.delete(levels, -2) if discard else levels
