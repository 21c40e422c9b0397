"""Half precision overflows in some published networks (the VAE of several, the UNet of v2.1).

What it overflowed in is computed again in float32: those rows alone, so that a picture is the same
beside others as on its own.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class Computed(NamedTuple):
    """What a network gave, a row for each of its inputs.

    Attributes:
        result: shape (batch, ...), all finite.
        note: says that float32 was needed, else None.
        upcast: of each row, whether float32 was needed for it.
        tiled: says that it was computed in tiles, else None.
    """

    result: Tensor
    note: str | None
    upcast: tuple[bool, ...]
    tiled: str | None = None


def finite_rows(x: Tensor) -> list[bool]:
    """Of each row, whether all of it is finite; waits for a device that queues."""
    return torch.isfinite(x).flatten(1).all(dim=1).tolist()


def overflow_note(name: str, dtype: torch.dtype) -> str:
    """What a record says of a network that had to compute in float32."""
    return f"{name} computed in float32: {str(dtype).removeprefix('torch.')} overflowed"
