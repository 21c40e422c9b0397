"""How much memory networks take while they compute, from their shapes alone."""

from collections.abc import Callable

import torch

from kakusan.errors import RequestError
from kakusan.models import UNetConfig

# Values at a time for each position and channel of the level that takes most, with attention and
# without, beside what waits for the way up: what a block takes and gives, and what earlier ones
# have left for results to come. As measured on v1.4 and SDXL, in float32 and bfloat16.
ATTENDING, CONVOLVING = 33.0, 18.0
# A GPU's kernels take scratch memory, as much as they are let
SCRATCH = 1.3
# Whatever the picture's size, for the square of the widest level's channels: packed weights
PACKED = 30


def unet_bytes(
    config: UNetConfig,
    size: tuple[int, int, int],
    dtype: torch.dtype,
    device: torch.device,
) -> int:
    """What a call of the UNet takes at its most beside its weights.

    Args:
        size: rows, and height and width in latents.
        dtype: what it computes in.
    """
    rows, height, width = size
    waiting = most = 0.0
    for level, channels in enumerate(config.block_out_channels):
        positions = rows * -(-height // 2**level) * -(-width // 2**level)
        waiting += (config.layers_per_block + 1) * positions * channels
        each = ATTENDING if config.transformer_depth[level] else CONVOLVING
        most = max(most, each * positions * channels)
    scratch = SCRATCH if device.type == "cuda" else 1.0
    fixed = PACKED * max(config.block_out_channels) ** 2
    return fixed + int((waiting + most) * dtype.itemsize * scratch)


def too_large(
    need: Callable[[int], int],
    pictures: int,
    size: tuple[int, int],
    free: int,
    device: torch.device,
) -> RequestError:
    """The error for a batch that memory does not do for, with what it would do for.

    Args:
        need: bytes for so many pictures.
        size: height and width of each in pixels.
    """
    fewer = next((count for count in range(pictures - 1, 0, -1) if need(count) <= free), 0)
    hint = f"draw {fewer} at a time" if fewer else "draw a smaller picture, or free memory"
    together = f" of {pictures} pictures" if pictures > 1 else ""
    return RequestError(
        f"the UNet takes about {need(pictures) / 1e6:,.0f} MB for a batch{together} of "
        f"{size[1]} x {size[0]} pixels, and {free / 1e6:,.0f} MB are free on {device}; {hint}"
    )
