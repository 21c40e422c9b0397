"""Group normalisation of pictures that are laid out channels last.

torch's own copies such pictures into the other layout, and the convolution after it copies them
back: most of a decode's time was that. These kernels read and write them as they lie.
"""

# pyright: reportMissingImports=false, reportUnknownVariableType=false
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportMissingParameterType=false
# pyright: reportUntypedFunctionDecorator=false, reportIndexIssue=false

import torch
import triton
import triton.language as tl
from torch import Tensor

# Values of a group that one program normalises alone; larger groups are divided among many
ALONE = 2**17
ROWS, COLUMNS = 64, 64  # of a tile
TILES = 8  # that a program takes one after the other
CHUNKS = 64  # partial results that are joined at once


def group_norm(
    x: Tensor, groups: int, weight: Tensor, bias: Tensor, eps: float, silu: bool
) -> Tensor:
    """Group normalisation, then SiLU if asked for; computed in float32.

    Args:
        x: shape (batch, channels, height, width), channels last in memory, on a CUDA device.
        groups: that the channels are divided into.
        weight: shape (channels,).
        bias: shape (channels,).
        eps: added to the variance.
        silu: whether x * sigmoid(x) follows.

    Returns:
        The same shape, dtype and layout.
    """
    batch, channels, height, width = x.shape
    pixels, wide = height * width, channels // groups
    out = torch.empty_like(x)
    with torch.cuda.device(x.device):
        if pixels * wide <= ALONE:
            block = triton.next_power_of_2(wide)
            rows = max(1, 4096 // block)
            _whole[(batch, groups)](
                *(x, weight, bias, out, pixels, channels, wide, eps),
                *(rows, block, silu),
            )
            return out
        chunks = triton.cdiv(pixels, ROWS * TILES)
        columns = triton.cdiv(channels, COLUMNS)
        moments = torch.empty(2, batch, chunks, channels, dtype=torch.float32, device=x.device)
        line = torch.empty(2, batch, channels, dtype=torch.float32, device=x.device)
        _moments[(chunks, columns, batch)](
            *(x, moments[0], moments[1], pixels, channels),
            *(ROWS, COLUMNS, TILES),
        )
        _joined[(batch, groups)](
            *(moments[0], moments[1], weight, bias, line[0], line[1]),
            *(pixels, channels, wide, chunks, eps),
            *(CHUNKS, triton.next_power_of_2(wide), ROWS * TILES),
        )
        _applied[(triton.cdiv(pixels, ROWS), columns, batch)](
            *(x, line[0], line[1], out, pixels, channels),
            *(ROWS, COLUMNS, silu),
        )
    return out


@triton.jit
def _whole(
    x,
    weight,
    bias,
    out,
    pixels,
    channels,
    wide,
    eps,
    rows: tl.constexpr,
    block: tl.constexpr,
    silu: tl.constexpr,
):
    """All of one group of one picture: its mean, then its variance, then the result."""
    start = tl.program_id(0).to(tl.int64) * pixels * channels + tl.program_id(1) * wide
    c = tl.arange(0, block)
    r = tl.arange(0, rows)
    inside = c < wide
    count = pixels * wide
    total = tl.zeros((rows, block), dtype=tl.float32)
    for first in range(0, pixels, rows):
        at = (first + r)[:, None] * channels + c[None, :]
        mask = ((first + r) < pixels)[:, None] & inside[None, :]
        total += tl.load(x + start + at, mask=mask, other=0.0).to(tl.float32)
    mean = tl.sum(tl.sum(total, 1), 0) / count
    squares = tl.zeros((rows, block), dtype=tl.float32)
    for first in range(0, pixels, rows):
        at = (first + r)[:, None] * channels + c[None, :]
        mask = ((first + r) < pixels)[:, None] & inside[None, :]
        away = tl.load(x + start + at, mask=mask, other=0.0).to(tl.float32) - mean
        squares += tl.where(mask, away * away, 0.0)
    spread = tl.rsqrt(tl.sum(tl.sum(squares, 1), 0) / count + eps)
    here = tl.program_id(1) * wide + c
    scale = tl.load(weight + here, mask=inside, other=0.0).to(tl.float32) * spread
    shift = tl.load(bias + here, mask=inside, other=0.0).to(tl.float32) - mean * scale
    for first in range(0, pixels, rows):
        at = (first + r)[:, None] * channels + c[None, :]
        mask = ((first + r) < pixels)[:, None] & inside[None, :]
        value = tl.load(x + start + at, mask=mask, other=0.0).to(tl.float32)
        value = value * scale[None, :] + shift[None, :]
        if silu:
            value = value * tl.sigmoid(value)
        tl.store(out + start + at, value.to(out.dtype.element_ty), mask=mask)


@triton.jit
def _moments(
    x,
    means,
    squares,
    pixels,
    channels,
    rows: tl.constexpr,
    columns: tl.constexpr,
    tiles: tl.constexpr,
):
    """Of each channel of some pixels the mean, and the sum of squared distances from it."""
    n = tl.program_id(2)
    first = tl.program_id(0) * rows * tiles
    c = tl.program_id(1) * columns + tl.arange(0, columns)
    inside = c < channels
    start = n.to(tl.int64) * pixels * channels
    count = tl.minimum(rows * tiles, pixels - first)
    total = tl.zeros((rows, columns), dtype=tl.float32)
    for tile in range(tiles):
        r = first + tile * rows + tl.arange(0, rows)
        at = r.to(tl.int64)[:, None] * channels + c[None, :]
        mask = (r < pixels)[:, None] & inside[None, :]
        total += tl.load(x + start + at, mask=mask, other=0.0).to(tl.float32)
    mean = tl.sum(total, 0) / count
    away = tl.zeros((rows, columns), dtype=tl.float32)
    for tile in range(tiles):
        r = first + tile * rows + tl.arange(0, rows)
        at = r.to(tl.int64)[:, None] * channels + c[None, :]
        mask = (r < pixels)[:, None] & inside[None, :]
        d = tl.load(x + start + at, mask=mask, other=0.0).to(tl.float32) - mean[None, :]
        away += tl.where(mask, d * d, 0.0)
    to = (n.to(tl.int64) * tl.num_programs(0) + tl.program_id(0)) * channels + c
    tl.store(means + to, mean, mask=inside)
    tl.store(squares + to, tl.sum(away, 0), mask=inside)


@triton.jit
def _joined(
    means,
    squares,
    weight,
    bias,
    scales,
    shifts,
    pixels,
    channels,
    wide,
    chunks,
    eps,
    several: tl.constexpr,
    block: tl.constexpr,
    most: tl.constexpr,
):
    """What a group's pixels are multiplied by and what is added, from the moments of its parts."""
    n, group = tl.program_id(0), tl.program_id(1)
    c = group * wide + tl.arange(0, block)
    inside = tl.arange(0, block) < wide
    start = n.to(tl.int64) * chunks * channels
    total = tl.zeros((several, block), dtype=tl.float32)
    for first in range(0, chunks, several):
        k = first + tl.arange(0, several)
        mask = (k < chunks)[:, None] & inside[None, :]
        count = tl.minimum(most, pixels - k * most).to(tl.float32)
        mean = tl.load(means + start + k[:, None] * channels + c[None, :], mask=mask, other=0.0)
        total += mean * count[:, None]
    values = (pixels * wide).to(tl.float32)
    mean = tl.sum(tl.sum(total, 1), 0) / values
    away = tl.zeros((several, block), dtype=tl.float32)
    for first in range(0, chunks, several):
        k = first + tl.arange(0, several)
        mask = (k < chunks)[:, None] & inside[None, :]
        at = start + k[:, None] * channels + c[None, :]
        count = tl.minimum(most, pixels - k * most).to(tl.float32)
        d = tl.load(means + at, mask=mask, other=0.0) - mean
        own = tl.load(squares + at, mask=mask, other=0.0)
        away += tl.where(mask, own + d * d * count[:, None], 0.0)
    spread = tl.rsqrt(tl.sum(tl.sum(away, 1), 0) / values + eps)
    scale = tl.load(weight + c, mask=inside, other=0.0).to(tl.float32) * spread
    shift = tl.load(bias + c, mask=inside, other=0.0).to(tl.float32) - mean * scale
    tl.store(scales + n * channels + c, scale, mask=inside)
    tl.store(shifts + n * channels + c, shift, mask=inside)


@triton.jit
def _applied(
    x,
    scales,
    shifts,
    out,
    pixels,
    channels,
    rows: tl.constexpr,
    columns: tl.constexpr,
    silu: tl.constexpr,
):
    """Every value times its channel's number plus another, then SiLU if asked for."""
    n = tl.program_id(2)
    r = tl.program_id(0) * rows + tl.arange(0, rows)
    c = tl.program_id(1) * columns + tl.arange(0, columns)
    inside = c < channels
    mask = (r < pixels)[:, None] & inside[None, :]
    at = n.to(tl.int64) * pixels * channels + r.to(tl.int64)[:, None] * channels + c[None, :]
    scale = tl.load(scales + n * channels + c, mask=inside, other=0.0)
    shift = tl.load(shifts + n * channels + c, mask=inside, other=0.0)
    value = tl.load(x + at, mask=mask, other=0.0).to(tl.float32)
    value = value * scale[None, :] + shift[None, :]
    if silu:
        value = value * tl.sigmoid(value)
    tl.store(out + at, value.to(out.dtype.element_ty), mask=mask)
