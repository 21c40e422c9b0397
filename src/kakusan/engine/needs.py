"""How much memory networks take while they compute, from their shapes alone."""

import torch

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
