"""Improved PNDM (arXiv:2204.13902) in steps of sigma, as ComfyUI and Forge have it."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from torch import Tensor

from kakusan.schedulers.ladder_config import SpacedConfig
from kakusan.schedulers.levels import Level
from kakusan.schedulers.prediction import Prediction
from kakusan.schedulers.scheduler import SchedulerOutput
from kakusan.schedulers.sigma_scheduler import UnscaledSigmaScheduler

# Of the slopes at this level and at those before it: Adams and Bashforth's, for even steps
EVEN = ((1.0,), (3 / 2, -1 / 2), (23 / 12, -16 / 12, 5 / 12), (55 / 24, -59 / 24, 37 / 24, -9 / 24))
MOST = len(EVEN)


@dataclass(frozen=True, kw_only=True, eq=False)
class ImprovedPNDMConfig(SpacedConfig):
    """Settings of `ImprovedPNDMScheduler`.

    Attributes:
        variable_steps: whether weights follow from how long steps are.
    """

    class_name = "ImprovedPNDMScheduler"

    beta_start: float = 0.00085
    beta_end: float = 0.012
    variable_steps: bool = False


class _Slope(NamedTuple):
    """dx / dsigma at a noise level."""

    sigma: float
    slope: Tensor


class ImprovedPNDMScheduler(UnscaledSigmaScheduler[ImprovedPNDMConfig]):
    """Goes along a mean of the last four slopes; into noise level 0, to what the model sees."""

    config_class = ImprovedPNDMConfig
    takes_timesteps = True
    takes_sigmas = True
    history: tuple[_Slope, ...] = ()  # latest first

    def advance(self, x: Tensor, seen: Prediction, now: Level, then: Level) -> SchedulerOutput:
        """One step from the last four slopes, or as many as there are yet."""
        clean, start, end = seen.clean, float(now.sigma), float(then.sigma)
        self.history = slopes = (_Slope(start, (x - clean) / now.sigma), *self.history)[:MOST]
        if end == 0:
            return SchedulerOutput(clean, clean)
        weights: Sequence[float] = EVEN[len(slopes) - 1]
        if self.config.variable_steps:
            weights = uneven_weights([end, *(each.sigma for each in slopes)])
        terms = [weight * each.slope for weight, each in zip(weights, slopes, strict=True)]
        return SchedulerOutput(x + (end - start) * sum(terms[1:], terms[0]), clean)


def uneven_weights(levels: Sequence[float]) -> Sequence[float]:
    """The weights of one to four slopes, for steps of any length, as those tools have them.

    Three and four are not quite Adams and Bashforth's of uneven steps.

    Args:
        levels: where the step ends, then those of the slopes, latest first.
    """
    h, *before = [first - second for first, second in pairwise(levels)]
    if not before:
        return (1.0,)
    h1 = before[0]
    first, second, third, fourth = 1 + h / h1 / 2, -h / h1 / 2, 0.0, 0.0
    if len(before) > 1:
        h2 = before[1]
        added = (1 - h / (3 * (h + h1)) * h * (h + h1) / (h1 * (h1 + h2))) / 2
        first, second = first + added, second - (1 + h1 / h2) * added
        third = added * h1 / h2
    if len(before) > 2:
        h2, h3 = before[1:3]
        added = (1 - h / (3 * (h + h1))) / 2
        added += (1 - h / (2 * (h + h1))) * h / (6 * (h + h1 + h2))
        added *= h * (h + h1) * (h + h1 + h2) / (h1 * (h1 + h2) * (h1 + h2 + h3))
        ratio = h1 * (h1 + h2) / (h2 * (h2 + h3))
        first, second = first + added, second - (1 + h1 / h2 + ratio) * added
        third += (h1 / h2 + ratio * (1 + h2 / h3)) * added
        fourth = -added * ratio * h1 / h2
    return (first, second, third, fourth)[: len(before) + 1]
