"""Masks on pictures: blurred edges, what lies under them filled, and the part around them.

All by AUTOMATIC1111's rules. Levels are from 0, which stays, to 1, which is drawn anew, in arrays
of shape (h, w).
"""

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

Levels = npt.NDArray[np.float32]
Box = tuple[int, int, int, int]  # left, top, right, bottom

_REACH = 2.5  # deviations that a blurred edge goes
# How far colours are spread under a mask, from the furthest, and how often each is laid over
_SPREADS = ((256, 1), (64, 1), (16, 2), (4, 4), (2, 2), (0, 1))


def reach_of(deviation: float) -> int:
    """How many pixels beyond a mask its blurred edge goes."""
    return int(_REACH * deviation + 0.5)


def blurred(levels: Levels, deviation: float) -> Levels:
    """A mask with a Gaussian's edge, in steps of 8 bits; its ends are mirrored."""
    reach = reach_of(deviation)
    if reach < 1:
        return levels
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / deviation) ** 2)
    weights = (weights / weights.sum()).astype(np.float32)
    for axis in (1, 0):
        rounded = np.rint(_along(levels, weights, axis) * 255) / 255
        levels = np.clip(rounded, 0.0, 1.0).astype(np.float32)
    return levels


def _along(levels: Levels, weights: Levels, axis: int) -> Levels:
    reach = len(weights) // 2
    around = [(0, 0), (0, 0)]
    around[axis] = (reach, reach)
    mirrored = np.pad(levels, around, mode="reflect" if levels.shape[axis] > 1 else "edge")
    windows = np.lib.stride_tricks.sliding_window_view(mirrored, len(weights), axis=axis)
    return windows @ weights


def filled(image: Image.Image, levels: Levels) -> Image.Image:
    """A picture in RGB, with the colours around a mask spread under it."""
    kept = image.convert("RGBA")
    kept.putalpha(Image.fromarray(np.rint((1.0 - levels) * 255).astype(np.uint8)))
    kept = kept.convert("RGBa")  # so that nothing of what is masked is spread
    found = Image.new("RGBA", image.size)
    for radius, times in _SPREADS:
        spread = kept.filter(ImageFilter.GaussianBlur(radius)).convert("RGBA")
        for _ in range(times):
            found.alpha_composite(spread)
    return found.convert("RGB")


def box_around(levels: Levels, padding: int) -> Box | None:
    """What encloses all of a mask above 0, with some pixels on each side; None for a black one."""
    rows, columns = np.flatnonzero(levels.any(axis=1)), np.flatnonzero(levels.any(axis=0))
    if not len(rows):
        return None
    height, width = levels.shape
    return (
        max(int(columns[0]) - padding, 0),
        max(int(rows[0]) - padding, 0),
        min(int(columns[-1]) + 1 + padding, width),
        min(int(rows[-1]) + 1 + padding, height),
    )


def in_shape(box: Box, size: tuple[int, int], within: tuple[int, int]) -> Box:
    """A box made higher or wider to the shape of `size`, as far as `within` has room for it.

    Args:
        size, within: (width, height).
    """
    left, top, right, bottom = box
    ratio = size[0] / size[1]
    if (right - left) / (bottom - top) > ratio:
        more = int((right - left) / ratio - (bottom - top))
        top, bottom = _longer(top, bottom, more, within[1])
    else:
        more = int((bottom - top) * ratio - (right - left))
        left, right = _longer(left, right, more, within[0])
    return left, top, right, bottom


def _longer(first: int, last: int, more: int, most: int) -> tuple[int, int]:
    """A stretch longer by `more`, at both ends alike, moved to lie in [0, most] and cut off."""
    first, last = first - more // 2, last + more - more // 2
    beyond = max(last - most, 0)
    first, last = first - beyond, last - beyond
    below = max(-first, 0)
    return first + below, min(last + below, most)


def cut_out(image: Image.Image, box: Box) -> Image.Image:
    """A part of a picture; beyond its edges its outermost pixels are repeated."""
    found = image.crop(box)
    left, top, right, bottom = box
    beyond = (
        max(-left, 0),
        max(-top, 0),
        max(right - image.width, 0),
        max(bottom - image.height, 0),
    )
    if not any(beyond):
        return found
    around = ((beyond[1], beyond[3]), (beyond[0], beyond[2]), (0, 0))
    inner = np.asarray(
        image.crop((max(left, 0), max(top, 0), min(right, image.width), min(bottom, image.height)))
    )
    return Image.fromarray(np.pad(inner, around[: inner.ndim], mode="edge"))


def edge_levels(
    size: tuple[int, int], left: int, up: int, right: int, down: int, feather: int
) -> Levels:
    """The mask of what is added at the sides of a picture of this (width, height).

    In the old picture it falls from 1 at the new part to 0 at `feather` pixels from it, with the
    square of what is left of the way.
    """
    width, height = size
    across = _edge(width, left, right, feather)
    along = _edge(height, up, down, feather)
    return np.maximum(across[None, :], along[:, None])


def _edge(length: int, before: int, after: int, feather: int) -> Levels:
    places = np.arange(-before, length + after)
    share = np.zeros(len(places))
    for there, distance in ((before, places), (after, length - 1 - places)):
        if there:
            left = np.clip((feather - distance) / max(feather, 1), 0.0, 1.0) ** 2
            share = np.maximum(share, np.where(distance < 0, 1.0, left if feather else 0.0))
    return share.astype(np.float32)
