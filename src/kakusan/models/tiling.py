"""Run a network over a large picture tile by tile, so that its memory stays that of one tile."""

from collections.abc import Callable

import torch
from torch import Tensor

OVERLAP = 0.25


def tiled(x: Tensor, network: Callable[[Tensor], Tensor], tile: int, ratio: float) -> Tensor:
    """Apply `network` to overlapping tiles and blend them linearly where they overlap.

    Args:
        x: shape (batch, channels, height, width).
        network: maps a tile to one whose height and width are `ratio` times as large.
        tile: height and width of a tile of `x`; must give whole numbers after `ratio`.
        ratio: size of the result over the size of `x`: 8 for decoding, 1/8 for encoding.

    Returns:
        Shape (batch, new channels, height * ratio, width * ratio).
    """
    height, width = (round(size * ratio) for size in x.shape[-2:])
    total = weights = None
    for top in _starts(x.shape[-2], tile, ratio):
        for left in _starts(x.shape[-1], tile, ratio):
            part = network(x[..., top : top + tile, left : left + tile])
            if total is None or weights is None:
                total = part.new_zeros((*part.shape[:2], height, width))
                weights = part.new_zeros((1, 1, height, width))
            ramp = _weights(part)
            rows = slice(round(top * ratio), round(top * ratio) + part.shape[-2])
            columns = slice(round(left * ratio), round(left * ratio) + part.shape[-1])
            total[..., rows, columns] += part * ramp
            weights[..., rows, columns] += ramp
    assert total is not None
    assert weights is not None
    return total / weights


def _starts(size: int, tile: int, ratio: float) -> list[int]:
    """Where tiles begin: evenly spaced, at least `OVERLAP` over each other, the last at the end."""
    if size <= tile:
        return [0]
    # encoding: a tile must begin where a latent begins
    grain = max(1, round(1 / ratio))
    last = (size - tile) // grain
    count = -(-last // max(1, int(tile * (1 - OVERLAP)) // grain))
    return [round(last * index / count) * grain for index in range(count + 1)]


def _weights(part: Tensor) -> Tensor:
    """A pyramid: falls linearly to the borders of a tile, over its overlap."""
    sides: list[Tensor] = []
    for size in part.shape[-2:]:
        edge = max(1, int(size * OVERLAP))
        position = torch.arange(size, device=part.device) + 1
        sides.append((torch.minimum(position, size + 1 - position) / edge).clamp(max=1.0))
    return (sides[0][:, None] * sides[1][None, :]).to(part.dtype)
