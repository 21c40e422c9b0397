"""From blocks to values, as ggml's formats say: whole tensors at a time.

In each function `blocks` is (n, bytes of a block) of uint8, and what it returns is (n, values of a
block) of float32. A byte of 4-bit values holds one of the block's first half and one of its second.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from kakusan.quantized.formats import (
    Q2_K,
    Q3_K,
    Q4_0,
    Q4_1,
    Q4_K,
    Q5_0,
    Q5_1,
    Q5_K,
    Q6_K,
    Q8_0,
    Format,
)

_AT_A_TIME = 1 << 20  # values: what is made on the way stays small beside the result


def unpack(blocks: Tensor, kind: Format, dtype: torch.dtype = torch.float32) -> Tensor:
    """All values, one after another, of the bytes of blocks one after another.

    Args:
        blocks: uint8, any device.
        kind: one of `kakusan.quantized.formats.BLOCKS`, or of plain numbers.
        dtype: of the values, which are worked out in float32.
    """
    if kind.dtype is not None:
        return blocks.view(kind.dtype).to(dtype)
    rows = blocks.reshape(-1, kind.bytes)
    out = torch.empty(len(rows), kind.values, dtype=dtype, device=blocks.device)
    several = _AT_A_TIME // kind.values
    if len(rows) <= several or blocks.device.type != "cpu":
        return out.copy_(UNPACKING[kind](rows)).flatten()
    for start in range(0, len(rows), several):
        out[start : start + several] = UNPACKING[kind](rows[start : start + several])
    return out.flatten()


def _half(blocks: Tensor, at: int) -> Tensor:
    """The float16 number at a byte of every block, (n, 1)."""
    return blocks[:, at : at + 2].contiguous().view(torch.float16).float()


def _fields(values: Tensor, *shifts: int, mask: int) -> Tensor:
    """The bit fields of bytes (..., m), each shift's after another: (..., shifts, m)."""
    by = torch.tensor(shifts, dtype=torch.uint8, device=values.device)[:, None]
    return (values[..., None, :] >> by) & mask


def _nibbles(values: Tensor) -> Tensor:
    return _fields(values, 0, 4, mask=15).flatten(1)


def _fifth_bits(blocks: Tensor, at: int) -> Tensor:
    """The 32 bits from a byte on, lowest first, each as 16 or 0."""
    bits = _fields(blocks[:, at : at + 4], *range(8), mask=1)  # (n, bit, byte)
    return bits.transpose(1, 2).flatten(1) << 4


def _q8_0(blocks: Tensor) -> Tensor:
    return blocks[:, 2:].view(torch.int8).float() * _half(blocks, 0)


def _q4_0(blocks: Tensor) -> Tensor:
    return (_nibbles(blocks[:, 2:]).float() - 8) * _half(blocks, 0)


def _q4_1(blocks: Tensor) -> Tensor:
    return _nibbles(blocks[:, 4:]).float() * _half(blocks, 0) + _half(blocks, 2)


def _q5_0(blocks: Tensor) -> Tensor:
    return ((_nibbles(blocks[:, 6:]) | _fifth_bits(blocks, 2)).float() - 16) * _half(blocks, 0)


def _q5_1(blocks: Tensor) -> Tensor:
    values = (_nibbles(blocks[:, 8:]) | _fifth_bits(blocks, 4)).float()
    return values * _half(blocks, 0) + _half(blocks, 2)


def _q2_k(blocks: Tensor) -> Tensor:
    # 16 bytes of (scale, minimum) nibbles, 64 of 2-bit values, d, dmin
    scales, minima = blocks[:, :16] & 15, blocks[:, :16] >> 4
    values = _fields(blocks[:, 16:80].reshape(-1, 2, 32), 0, 2, 4, 6, mask=3).reshape(-1, 16, 16)
    scale = (_half(blocks, 80) * scales.float())[..., None]
    return (scale * values.float() - (_half(blocks, 82) * minima.float())[..., None]).flatten(1)


def _q3_k(blocks: Tensor) -> Tensor:
    # 32 bytes of third bits, 64 of 2-bit values, 12 of 6-bit scales, d
    third = _fields(blocks[:, :32], *range(8), mask=1).reshape(-1, 16, 16)
    values = _fields(blocks[:, 32:96].reshape(-1, 2, 32), 0, 2, 4, 6, mask=3).reshape(-1, 16, 16)
    low = _fields(blocks[:, 96:104], 0, 4, mask=15).flatten(1)
    high = _fields(blocks[:, 104:108], 0, 2, 4, 6, mask=3).flatten(1)
    scale = _half(blocks, 108) * ((low | high << 4).float() - 32)
    # the third bit says that 4 is not subtracted
    return (scale[..., None] * ((values | third << 2).float() - 4)).flatten(1)


def _scales_and_minima(packed: Tensor) -> tuple[Tensor, Tensor]:
    """Eight 6-bit scales and minima from 12 bytes: the last four keep their high bits apart."""
    a, b, c = packed[:, :4], packed[:, 4:8], packed[:, 8:]
    scales = torch.cat([a & 63, (c & 15) | (a >> 6) << 4], dim=1)
    minima = torch.cat([b & 63, (c >> 4) | (b >> 6) << 4], dim=1)
    return scales.float(), minima.float()


def _scaled(blocks: Tensor, values: Tensor) -> Tensor:
    """Q4_K's and Q5_K's (n, 8, 32) integers with their scales and minima."""
    scales, minima = _scales_and_minima(blocks[:, 4:16])
    scale, minimum = _half(blocks, 0) * scales, _half(blocks, 2) * minima
    return (scale[..., None] * values.float() - minimum[..., None]).flatten(1)


def _q4_k(blocks: Tensor) -> Tensor:
    # d, dmin, 12 bytes of scales, 128 of nibbles
    return _scaled(blocks, _fields(blocks[:, 16:].reshape(-1, 4, 32), 0, 4, mask=15).flatten(1, 2))


def _q5_k(blocks: Tensor) -> Tensor:
    # d, dmin, 12 bytes of scales, 32 of fifth bits, 128 of nibbles
    low = _fields(blocks[:, 48:].reshape(-1, 4, 32), 0, 4, mask=15).flatten(1, 2)
    return _scaled(blocks, low | _fields(blocks[:, 16:48], *range(8), mask=1) << 4)


def _q6_k(blocks: Tensor) -> Tensor:
    # 128 bytes of low nibbles, 64 of high pairs of bits, 16 signed scales, d
    low = _fields(blocks[:, :128].reshape(-1, 2, 64), 0, 4, mask=15).flatten(1)
    high = _fields(blocks[:, 128:192].reshape(-1, 2, 32), 0, 2, 4, 6, mask=3).flatten(1)
    scale = _half(blocks, 208) * blocks[:, 192:208].view(torch.int8).float()
    return (scale[..., None] * ((low | high << 4).float() - 32).reshape(-1, 16, 16)).flatten(1)


UNPACKING: dict[Format, Callable[[Tensor], Tensor]] = {
    Q8_0: _q8_0,
    Q4_0: _q4_0,
    Q4_1: _q4_1,
    Q5_0: _q5_0,
    Q5_1: _q5_1,
    Q2_K: _q2_k,
    Q3_K: _q3_k,
    Q4_K: _q4_k,
    Q5_K: _q5_k,
    Q6_K: _q6_k,
}
