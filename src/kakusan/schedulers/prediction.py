"""What a network predicts (noise, velocity or the clean sample) and how one follows from another.

With `sample = alpha * clean + sigma * noise` and `alpha² + sigma² = 1`, the velocity of
arXiv:2202.00512 is `alpha * noise - sigma * clean`.
"""

import math
from typing import NamedTuple, Self

import torch
from torch import Tensor

from kakusan.schedulers.edm import clean_of
from kakusan.schedulers.levels import Level

PREDICTION_TYPES = ("epsilon", "v_prediction", "sample")


class Prediction(NamedTuple):
    """What a model says of `sample`, which has the noise of `level`."""

    kind: str  # one of PREDICTION_TYPES
    output: Tensor
    sample: Tensor
    level: Level
    sigma_data: float | None = None  # of a model on EDM's noise levels

    @property
    def clean(self) -> Tensor:
        """The clean sample that the output stands for."""
        kind, output, x, (alpha, sigma, *_, keeps_variance), sigma_data = self
        if sigma_data is not None:
            return clean_of(kind, output, x / alpha, sigma / alpha, sigma_data)
        if kind == "epsilon":
            return (x - sigma * output) / alpha if keeps_variance else x - sigma * output
        if kind == "sample":
            return output
        if keeps_variance:
            return alpha * x - sigma * output
        return output * (-sigma / (sigma**2 + 1) ** 0.5) + x / (sigma**2 + 1)

    @property
    def noise(self) -> Tensor:
        """The noise that the output stands for."""
        kind, output, x, (alpha, sigma, *_, keeps_variance), sigma_data = self
        if sigma_data is not None:
            return (x - alpha * self.clean) / sigma
        if kind == "epsilon":
            return output
        if kind == "v_prediction" and keeps_variance:
            return alpha * output + sigma * x
        return (x - alpha * self.clean) / sigma

    def told(self, output: Tensor | None) -> Self:
        """Another output for the same sample; None is the same."""
        return self if output is None else self._replace(output=output)

    def at(self, sample: Tensor, level: Level) -> Self:
        """The same output, read as said of another sample."""
        return self._replace(sample=sample, level=level)


def dynamic_threshold(clean: Tensor, ratio: float, largest: float) -> Tensor:
    """Clip each picture to its own `ratio` quantile and rescale (arXiv:2205.11487, section 2.3)."""
    flat = clean.flatten(1) if clean.dtype == torch.float64 else clean.flatten(1).float()
    limit = torch.quantile(flat.abs(), ratio, dim=1, keepdim=True).clamp(1, max(largest, 1))
    limited = torch.clamp(flat, -limit, limit) / limit
    return limited.reshape(clean.shape).to(clean.dtype)


def spread(values: Tensor, like: Tensor) -> Tensor:
    """One value per picture, shaped so that it multiplies `like`: (n,) becomes (n, 1, 1, 1)."""
    return values.reshape(math.prod(values.shape), *[1] * (like.ndim - 1))
