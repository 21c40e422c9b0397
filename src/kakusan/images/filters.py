"""Pictures blurred, and made smaller by the mean of what lies under each pixel."""

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float32]


def gaussian(x: Values, deviation: float) -> Values:
    """Blurred by a Gaussian, cut off at 4 deviations; edges are mirrored, as OpenCV has it.

    Args:
        x: shape (height, width, ...).
    """
    reach = (round(deviation * 8 + 1) | 1) // 2
    if reach < 1:
        return x
    places = np.arange(-reach, reach + 1)
    weights = np.exp(-0.5 * (places / deviation) ** 2)
    weights /= weights.sum()
    for axis in (0, 1):
        x = _along(x, weights, axis)
    return x


def _along(x: Values, weights: npt.NDArray[np.float64], axis: int) -> Values:
    reach, length = len(weights) // 2, x.shape[axis]
    # a mirror after a mirror, where a picture is shorter than the reach
    period = max(2 * (length - 1), 1)
    places = np.arange(-reach, length + reach) % period
    mirrored = np.take(x, np.minimum(places, period - places) if length > 1 else places * 0, axis)
    found = np.zeros(x.shape, np.float32)
    for start, weight in enumerate(weights):
        found += np.float32(weight) * np.take(mirrored, range(start, start + length), axis)
    return found


def smaller(x: Values, width: int, height: int) -> Values:
    """Each pixel the mean of the area that it covers; shape (height, width, ...)."""
    down = _shares(x.shape[0], height)
    across = _shares(x.shape[1], width)
    return np.einsum("hi,ij...,wj->hw...", down, x, across, optimize=True).astype(np.float32)


def _shares(length: int, shorter: int) -> Values:
    """How much of each pixel counts for each of the fewer ones, shape (shorter, length)."""
    ends = np.arange(shorter + 1) * (length / shorter)
    places = np.arange(length)
    first = np.maximum(ends[:-1, None], places)
    last = np.minimum(ends[1:, None], places + 1)
    return (np.clip(last - first, 0.0, None) * (shorter / length)).astype(np.float32)
