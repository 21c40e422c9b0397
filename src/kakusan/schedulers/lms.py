"""Linear multistep sampling on uneven noise levels, as k-diffusion's `sample_lms` does it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from torch import Tensor

from kakusan.errors import RequestError
from kakusan.schedulers.ladder_config import SpacedConfig
from kakusan.schedulers.levels import Level
from kakusan.schedulers.prediction import Prediction
from kakusan.schedulers.scheduler import SchedulerOutput
from kakusan.schedulers.sigma_scheduler import UnscaledSigmaScheduler


@dataclass(frozen=True, kw_only=True, eq=False)
class LMSConfig(SpacedConfig):
    """Settings of `LMSDiscreteScheduler`."""

    class_name = "LMSDiscreteScheduler"


class _Slope(NamedTuple):
    """dx / dsigma at a noise level."""

    sigma: float
    slope: Tensor


class LMSDiscreteScheduler(UnscaledSigmaScheduler[LMSConfig]):
    """K-LMS: integrates the polynomial through the last four slopes to the next noise level."""

    config_class = LMSConfig
    history: tuple[_Slope, ...] = ()  # latest first

    def advance(
        self, x: Tensor, seen: Prediction, now: Level, then: Level, *, order: int = 4
    ) -> SchedulerOutput:
        """One step from the last `order` slopes, or as many as there are yet."""
        if order < 1:
            raise RequestError(f"order is {order}; allowed: 1 or more")
        clean, start = seen.clean, float(now.sigma)
        latest = _Slope(start, (x - clean) / now.sigma)
        self.history = slopes = (latest, *self.history)[:order]
        weights = lagrange_integrals([each.sigma for each in slopes], start, float(then.sigma))
        terms = [w * each.slope for w, each in zip(weights, slopes, strict=True)]
        return SchedulerOutput(x + sum(terms[1:], terms[0]), clean)

    def _impossible(self, now: Tensor, then: Tensor) -> Tensor:
        """Between equal levels: the formula divides by the way."""
        return now == then


def lagrange_integrals(nodes: Sequence[float], start: float, end: float) -> list[float]:
    """The integral from `start` to `end` of each Lagrange basis polynomial over `nodes`.

    Gauss-Legendre quadrature with ceil(n / 2) points is exact for the degree n - 1 of n nodes.
    """
    points, weights = np.polynomial.legendre.leggauss((len(nodes) + 1) // 2)
    half = (end - start) / 2
    tau = start + half * (points + 1)
    integrals: list[float] = []
    for node in nodes:
        others = [other for other in nodes if other != node]
        basis = np.prod([(tau - other) / (node - other) for other in others], axis=0)
        integrals.append(float(half * np.sum(weights * basis)))
    return integrals
