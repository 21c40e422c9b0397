"""Control pictures made of others, for nets that were taught with such; none needs a model.

The rules are those of sd-webui-controlnet and controlnet_aux, but for `scribble`, where these have
a network find the edges.
"""

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
from PIL import Image

from kakusan.images.edges import canny
from kakusan.images.filters import gaussian, smaller
from kakusan.images.resizing import LANCZOS

Levels = npt.NDArray[np.uint8]

# How scribbles are drawn: smoothed before edges are looked for, then drawn with a broad pen
_SMOOTH = 1.4
_PEN, _PRESSED = 3.0, 4.0
_SHORT = 40  # of a side, one part: what is shorter on both sides is no line
# The two Gaussians of XDoG, the fine one and the broad one
_FINE, _BROAD = 0.5, 5.0
_LEAST_RATE = 1.1  # below, nothing is made smaller
# sRGB to the Y of CIE XYZ, and the end of its linear part
_LUMINANCE = np.array((0.212671, 0.715160, 0.072169), np.float64)
_DARK, _DARK_SLOPE = 0.008856, 903.3


def preprocessed(image: Image.Image, name: str, values: tuple[float, ...]) -> Image.Image:
    """A control picture as large as its picture.

    Args:
        image: in RGB, at the size that is drawn.
        name: a key of `FUNCTIONS`.
        values: its numbers, see `kakusan.request.preprocessors`.
    """
    return Image.fromarray(FUNCTIONS[name](np.asarray(image), *values))


def _as_it_is(x: Levels) -> Levels:
    return x


def _canny(x: Levels, low: float, high: float) -> Levels:
    return _grey(canny(x, low, high))


def _scribble(x: Levels, low: float, high: float) -> Levels:
    smooth = np.rint(gaussian(x.astype(np.float32), _SMOOTH)).astype(np.uint8)
    lines = _without_short(canny(smooth, low, high) > 0, max(min(x.shape[:2]) // _SHORT, 2))
    return _grey(_white(gaussian(lines.astype(np.float32) * 255, _PEN) > _PRESSED))


def _scribble_xdog(x: Levels, threshold: float) -> Levels:
    values = x.astype(np.float32)
    darker = (gaussian(values, _BROAD) - gaussian(values, _FINE)).min(axis=2)
    # whole levels, counted from above, as the original has them
    levels = 255 - np.floor(np.clip(255 - darker, 0, 255))
    return _grey(_white(2 * levels > threshold))


def _tile_resample(x: Levels, rate: float) -> Levels:
    if rate < _LEAST_RATE:
        return x
    height, width = x.shape[:2]
    small = smaller(x.astype(np.float32), max(int(width / rate), 1), max(int(height / rate), 1))
    shrunk = Image.fromarray(np.rint(small).astype(np.uint8))
    return np.asarray(shrunk.resize((width, height), LANCZOS))


def _recolor(x: Levels, gamma: float) -> Levels:
    """Of CIE L*a*b* the first, from 0 to 255."""
    unit = x.astype(np.float64) / 255
    linear = np.where(unit <= 0.04045, unit / 12.92, ((unit + 0.055) / 1.055) ** 2.4)
    y = linear @ _LUMINANCE
    lightness = np.where(y > _DARK, 116 * np.cbrt(y) - 16, _DARK_SLOPE * y)
    return _grey(_curved(np.rint(lightness * 2.55), gamma))


def _recolor_intensity(x: Levels, gamma: float) -> Levels:
    return _grey(_curved(x.max(axis=2).astype(np.float64), gamma))


def _curved(levels: npt.NDArray[np.float64], gamma: float) -> Levels:
    curved = (levels.astype(np.float32) / np.float32(255)) ** np.float32(gamma)
    return np.clip(curved * np.float32(255), 0, 255).astype(np.uint8)


def _invert(x: Levels) -> Levels:
    return 255 - x


def _threshold(x: Levels, level: float) -> Levels:
    return _grey(_white(x.min(axis=2) > level))


def _blur(x: Levels, sigma: float) -> Levels:
    return np.rint(gaussian(x.astype(np.float32), sigma)).astype(np.uint8)


def _white(there: npt.NDArray[np.bool_]) -> Levels:
    return np.where(there, np.uint8(255), np.uint8(0))


def _grey(x: Levels) -> Levels:
    return np.repeat(x[..., None], 3, axis=2)


def _without_short(lines: npt.NDArray[np.bool_], least: int) -> npt.NDArray[np.bool_]:
    """Lines without those whose pixels, each touching the next, span less on both sides."""
    found = np.zeros_like(lines)
    width = lines.shape[1]
    left = {int(place) for place in np.flatnonzero(lines)}
    while left:
        start = left.pop()
        line, open_ = [start], [start]
        while open_:
            row, column = divmod(open_.pop(), width)
            for down in (-1, 0, 1):
                for right in (-1, 0, 1):
                    near = (row + down) * width + column + right
                    if 0 <= column + right < width and near in left:
                        left.remove(near)
                        line.append(near)
                        open_.append(near)
        rows, columns = np.divmod(np.array(line), width)
        if max(np.ptp(rows), np.ptp(columns)) >= least:
            found[rows, columns] = True
    return found


# Under the names of `kakusan.request.preprocessors`; what `inpaint` marks is no picture any more
FUNCTIONS: Mapping[str, Callable[..., Levels]] = {
    "none": _as_it_is,
    "canny": _canny,
    "scribble": _scribble,
    "scribble_xdog": _scribble_xdog,
    "tile": _as_it_is,
    "tile_resample": _tile_resample,
    "recolor": _recolor,
    "recolor_intensity": _recolor_intensity,
    "inpaint": _as_it_is,
    "invert": _invert,
    "threshold": _threshold,
    "blur": _blur,
}
