"""Between uint8 pictures and the tensors that networks see, and sheets to look at."""

import numpy as np
import torch
from PIL import Image
from torch import Tensor


def to_tensor(pictures: np.ndarray | Tensor) -> Tensor:
    """Return uint8 `(n, h, w, 3)` as float32 `(n, 3, h, w)` in [-1, 1], on the same device."""
    levels = pictures if isinstance(pictures, Tensor) else torch.from_numpy(pictures)
    return levels.permute(0, 3, 1, 2).float() / 127.5 - 1


def to_pictures(tensor: Tensor) -> np.ndarray:
    """Return `(n, 3, h, w)` in [-1, 1] as uint8 `(n, h, w, 3)`."""
    levels = ((tensor.float() + 1) * 127.5).clamp(0, 255).round()
    return levels.permute(0, 2, 3, 1).to("cpu", torch.uint8).numpy()


def grid(pictures: np.ndarray, columns: int) -> Image.Image:
    """Return a sheet of pictures `(n, h, w, 3)`, row by row; the rest of it is white."""
    rest = np.full((-len(pictures) % columns, *pictures.shape[1:]), 255, np.uint8)
    rows = np.concatenate([pictures, rest]).reshape(-1, columns, *pictures.shape[1:])
    return Image.fromarray(np.concatenate([np.concatenate(row, axis=1) for row in rows]))
