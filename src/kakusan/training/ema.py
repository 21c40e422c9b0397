"""The moving average of the weights, which is what a run ends with."""

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.optim.swa_utils import get_ema_multi_avg_fn


class MovingAverage:
    """An exponential moving average of parameters that starts fast and slows to `decay`.

    After `n` updates the decay is `min(decay, (1 + n) / (10 + n))`, so the first, random weights
    are soon forgotten.
    """

    def __init__(self, parameters: Iterable[Tensor], decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self.averages = [parameter.detach().clone() for parameter in parameters]

    @torch.no_grad()
    def update(self, parameters: Iterable[Tensor]) -> None:
        """Move the averages towards the parameters, which come in the order they first came in."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        get_ema_multi_avg_fn(decay)(self.averages, list(parameters), self.updates)

    @torch.no_grad()
    def copy_to(self, parameters: Iterable[Tensor]) -> None:
        """Overwrite the parameters with their averages."""
        for parameter, average in zip(parameters, self.averages, strict=True):
            parameter.copy_(average)
