"""From a decoder's tensors to arrays and PIL pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image

if TYPE_CHECKING:  # so that reading a picture's metadata does not wait for torch
    import torch


def to_unit_range(images: torch.Tensor) -> torch.Tensor:
    """Pictures in [-1, 1] as float32 ones in [0, 1]; what lies outside is clipped."""
    return (images.detach().float() / 2 + 0.5).clamp(0, 1)


def to_numpy(images: torch.Tensor) -> npt.NDArray[np.float32]:
    """Pictures `(n, 3, h, w)` in [-1, 1] as an array `(n, h, w, 3)` in [0, 1]."""
    return to_unit_range(images).permute(0, 2, 3, 1).cpu().numpy()


def to_pil(images: torch.Tensor, *, truncated: bool = False) -> list[Image.Image]:
    """Pictures `(n, 3, h, w)` in [-1, 1] as PIL pictures; halves round to the even level.

    Args:
        truncated: what lies between two levels becomes the lower one.
    """
    levels = to_unit_range(images) * 255
    levels = (levels if truncated else levels.round()).byte()
    levels = levels.permute(0, 2, 3, 1).contiguous().cpu()
    return [Image.fromarray(picture) for picture in levels.numpy()]
