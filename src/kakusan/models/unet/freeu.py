"""FreeU: better pictures of the same UNet, by weighing what its way up is made of.

arXiv:2309.11497.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class Weights(NamedTuple):
    """Of one level on the way up.

    Attributes:
        backbone: what the first half of the channels from below is multiplied by.
        skip: what the lowest frequencies of what comes from the way down are multiplied by.
    """

    backbone: float
    skip: float

    def on(self, x: Tensor, skip: Tensor) -> tuple[Tensor, Tensor]:
        """What comes from below and from the way down, each (batch, channels, height, width)."""
        half = x.shape[1] // 2
        weighted = torch.cat([x[:, :half] * self.backbone, x[:, half:]], dim=1)
        return weighted, _weighted_below(skip, self.skip)


class FreeU(NamedTuple):
    """The weights of the two coarsest levels, 1 the coarsest; all 1 changes nothing."""

    b1: float
    b2: float
    s1: float
    s2: float

    def at(self, stage: int) -> Weights | None:
        """Of a level on the way up, the coarsest is 0; None where it has none."""
        stages = (Weights(self.b1, self.s1), Weights(self.b2, self.s2))
        return stages[stage] if stage < len(stages) else None


def _weighted_below(x: Tensor, by: float) -> Tensor:
    """A feature map whose frequencies 0 and -1 on both axes are multiplied."""
    # half precision has no transform that is exact enough, or none at all
    spectrum = torch.fft.fft2(x if x.dtype.itemsize > 4 else x.float())
    mask = torch.ones(x.shape[-2:], dtype=spectrum.real.dtype, device=x.device)
    for row in (0, -1):
        mask[row, [0, -1]] = by
    return torch.fft.ifft2(spectrum * mask).real.to(x)
