"""Where a picture has edges: Canny's detector, as ControlNets of edges were taught with it."""

import numpy as np
import numpy.typing as npt

# tan(22.5 degrees) in units of 2**-15, and what to add for tan(67.5 degrees)
_TANGENT, _STEEPER = 13573, 1 << 16

Grey = npt.NDArray[np.uint8]


def canny(picture: Grey, low: float = 100.0, high: float = 200.0) -> Grey:
    """The edges of a picture, one pixel wide (Canny, 1986), as OpenCV's function gives them.

    The gradient is Sobel's over 3 by 3 pixels, of the colour where it is greatest, and its length
    the sum of both absolute parts.

    Args:
        picture: uint8, shape (height, width) or (height, width, colours).
        low: an edge weaker than this ends.
        high: an edge is one where it is stronger than this somewhere.

    Returns:
        uint8, shape (height, width): 255 on edges, 0 elsewhere.
    """
    low, high = sorted((low, high))
    dx, dy = _gradient(picture if picture.ndim == 3 else picture[..., None])
    length = np.abs(dx) + np.abs(dy)
    thin = (length > np.floor(low)) & _is_ridge(length, dx, dy)
    strong = thin & (length > np.floor(high))
    return np.where(_joined(strong, thin), np.uint8(255), np.uint8(0))


def _gradient(picture: Grey) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """To the right and down, of the colour where the gradient is longest, shape (h, w)."""
    x = np.pad(picture.astype(np.int32), ((1, 1), (1, 1), (0, 0)), mode="edge")
    beside = x[:, 2:] - x[:, :-2]
    below = x[2:] - x[:-2]
    dx = beside[:-2] + 2 * beside[1:-1] + beside[2:]
    dy = below[:, :-2] + 2 * below[:, 1:-1] + below[:, 2:]
    longest = (np.abs(dx) + np.abs(dy)).argmax(-1)[..., None]
    return (
        np.take_along_axis(dx, longest, -1)[..., 0],
        np.take_along_axis(dy, longest, -1)[..., 0],
    )


def _is_ridge(
    length: npt.NDArray[np.int32], dx: npt.NDArray[np.int32], dy: npt.NDArray[np.int32]
) -> npt.NDArray[np.bool_]:
    """Whether the gradient is not longer on either side, across the edge."""
    height, width = length.shape
    padded = np.pad(length, 1)

    def at(down: int, right: int) -> npt.NDArray[np.int32]:
        return padded[1 + down : 1 + down + height, 1 + right : 1 + right + width]

    across, steep = np.abs(dx).astype(np.int64), np.abs(dy).astype(np.int64) << 15
    flat = across * _TANGENT
    is_level, is_upright = steep < flat, steep > flat + across * _STEEPER
    level = (length > at(0, -1)) & (length >= at(0, 1))
    upright = (length > at(-1, 0)) & (length >= at(1, 0))
    falling = (length > at(-1, -1)) & (length > at(1, 1))
    rising = (length > at(-1, 1)) & (length > at(1, -1))
    slanted = np.where((dx < 0) != (dy < 0), rising, falling)
    return np.where(is_level, level, np.where(is_upright, upright, slanted))


def _joined(strong: npt.NDArray[np.bool_], thin: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """What of `thin` leads to something strong, from pixel to touching pixel."""
    height, width = thin.shape
    found = np.zeros((height + 2, width + 2), bool)
    left = np.pad(thin, 1)
    around = np.array([down * (width + 2) + right for down in (-1, 0, 1) for right in (-1, 0, 1)])
    front = np.flatnonzero(np.pad(strong, 1))
    reached, open_ = found.ravel(), left.ravel()
    while len(front):
        reached[front], open_[front] = True, False
        near = np.unique((front[:, None] + around).ravel())
        front = near[open_[near]]
    return found[1:-1, 1:-1]
