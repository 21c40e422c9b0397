"""From values to blocks, rounded exactly as ggml rounds.

In each function `x` is (n, 32) of float32, and what it returns is (n, bytes of a block) of uint8.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from kakusan.errors import CheckpointError
from kakusan.quantized.formats import Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Format

_AT_A_TIME = 1 << 20  # values


def pack(values: Tensor, kind: Format) -> Tensor:
    """The bytes of blocks one after another, for as many values as fill them.

    Args:
        values: floating point, any shape; taken in the order of its dimensions.
        kind: one of `PACKING`.

    Raises:
        CheckpointError: A value is NaN, or so large that no scale reaches it.
    """
    rows = values.reshape(-1, kind.values)
    out = torch.empty(len(rows), kind.bytes, dtype=torch.uint8, device=rows.device)
    several = _AT_A_TIME // kind.values
    for start in range(0, len(rows), several):
        out[start : start + several] = PACKING[kind](rows[start : start + several].float())
    return out.flatten()


def _bytes(number: Tensor) -> Tensor:
    """A scale of every block, (n, 1), as the bytes of a float16."""
    half = number.half()
    if not half.isfinite().all():
        raise CheckpointError("it has values that are NaN, infinite or too large for a scale")
    return half.view(torch.uint8)


def _inverse(scale: Tensor) -> Tensor:
    """1 / scale, or 0 where that is not finite: the scale is 0 as a float16, too, then."""
    inverse = 1 / scale
    return torch.where(inverse.isfinite(), inverse, 0)


def _extreme(x: Tensor) -> Tensor:
    """The first value of the largest magnitude of every block, with its sign."""
    return x.gather(1, x.abs().argmax(1, keepdim=True))


def _floored(x: Tensor, most: int) -> Tensor:
    return x.trunc().clamp(0, most).to(torch.uint8)


def _nibbles(values: Tensor) -> Tensor:
    return (values[:, :16] & 15) | (values[:, 16:] & 15) << 4


def _fifth_bits(values: Tensor) -> Tensor:
    bits = (values >> 4).reshape(-1, 4, 8) << torch.arange(
        8, dtype=torch.uint8, device=values.device
    )
    return bits.sum(2, dtype=torch.uint8)


def _q8_0(x: Tensor) -> Tensor:
    scale = x.abs().amax(1, keepdim=True) / 127
    size = (x * _inverse(scale)).abs()
    whole = size.floor()
    rounded = torch.copysign(whole + (size - whole >= 0.5), x)  # halves go away from zero
    return torch.cat([_bytes(scale), rounded.to(torch.int8).view(torch.uint8)], dim=1)


def _q4_0(x: Tensor) -> Tensor:
    scale = _extreme(x) / -8
    values = _floored(x * _inverse(scale) + 8.5, 15)
    return torch.cat([_bytes(scale), _nibbles(values)], dim=1)


def _q5_0(x: Tensor) -> Tensor:
    scale = _extreme(x) / -16
    values = _floored(x * _inverse(scale) + 16.5, 31)
    return torch.cat([_bytes(scale), _fifth_bits(values), _nibbles(values)], dim=1)


def _from_minimum(x: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """The bytes of scale and minimum, and the steps of every value above the minimum."""
    low, high = x.aminmax(dim=1, keepdim=True)
    scale = (high - low) / most
    values = _floored((x - low) * _inverse(scale) + 0.5, most)
    return torch.cat([_bytes(scale), _bytes(low)], dim=1), values


def _q4_1(x: Tensor) -> Tensor:
    head, values = _from_minimum(x, 15)
    return torch.cat([head, _nibbles(values)], dim=1)


def _q5_1(x: Tensor) -> Tensor:
    head, values = _from_minimum(x, 31)
    return torch.cat([head, _fifth_bits(values), _nibbles(values)], dim=1)


PACKING: dict[Format, Callable[[Tensor], Tensor]] = {
    Q8_0: _q8_0,
    Q4_0: _q4_0,
    Q4_1: _q4_1,
    Q5_0: _q5_0,
    Q5_1: _q5_1,
}
