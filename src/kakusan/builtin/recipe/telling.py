"""Noise that tells how the objects of a scene are posed, so that seeds decide it from the start.

Where noise and pictures are drawn apart, what a network predicts from noise alone is the mean of
all that a prompt leaves open: an object that may be anywhere is a blur there, and a small network
hardly recovers. Here each chance of a scene is told by the noise that it is learnt with: what the
noise has of one pattern is the chance's quantile of the normal distribution. Both keep the law that
they had, noise is normal and scenes are as they are drawn, and the flow from the one to the other
may be learnt from any pairs of them (arXiv:2209.03003, section 2.1). Who draws needs to know
nothing of this: any noise tells some pose.
"""

import math

import torch
from torch import Tensor

_CERTAIN = 1e-4  # how near to 0 and 1 a chance is told


def told(noise: Tensor, chances: Tensor) -> Tensor:
    """The noise as it would be, had it told these chances.

    Args:
        noise: standard normal, shape (batch, channels, height, width).
        chances: evenly from 0 to 1, shape (batch, chances).
    """
    tells = patterns(chances.shape[1], noise.shape[1:]).to(noise)
    even = chances.to(noise).clamp(_CERTAIN, 1 - _CERTAIN)
    wanted = math.sqrt(2) * torch.erfinv(2 * even - 1)
    has = torch.einsum("bchw,ichw->bi", noise, tells)
    return noise + torch.einsum("bi,ichw->bchw", wanted - has, tells)


def patterns(count: int, shape: tuple[int, ...]) -> Tensor:
    """Orthonormal patterns, (count, channels, height, width), each of one channel.

    The first ones are even, the next tell left from right.

    Args:
        count: of patterns, at most two for each channel.
        shape: channels, height, and width, which is even.
    """
    channels, height, width = shape
    sides = torch.where(torch.arange(width) < width // 2, 1.0, -1.0)
    found = torch.zeros(count, channels, height, width)
    for index in range(count):
        found[index, index % channels] = 1.0 if index < channels else sides
    return found / math.sqrt(height * width)
