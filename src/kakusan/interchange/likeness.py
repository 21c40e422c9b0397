"""How near a picture comes to another."""

import math
from typing import NamedTuple

import numpy as np
from PIL import Image


class Likeness(NamedTuple):
    """Of a given picture and a new one.

    Attributes:
        psnr: in dB; None where the sizes differ, or where the pixels are equal.
        identical: whether the pixels are.
        sizes: width and height of both.
    """

    psnr: float | None
    identical: bool
    sizes: tuple[tuple[int, int], tuple[int, int]]

    def __str__(self) -> str:
        (then, now) = (f"{width}x{height}" for width, height in self.sizes)
        if then != now:
            return f"PSNR: none (the given picture has {then} pixels, the new one {now})"
        if self.psnr is None:
            return "PSNR: inf dB (the pixels are identical)"
        return f"PSNR: {self.psnr:.2f} dB (the pixels differ)"


def likeness(given: Image.Image, new: Image.Image) -> Likeness:
    """The peak signal-to-noise ratio of two pictures of one size.

    Both are compared as 8-bit RGB, as they lie in the file: transparency is left out, not laid over
    a colour, greys become RGB, and nothing is resized or turned. The mean of squared differences is
    over all pixels and channels: 10 * log10(255**2 / mean).
    """
    sizes = (given.size, new.size)
    if given.size != new.size:
        return Likeness(None, False, sizes)
    one, other = (np.asarray(each.convert("RGB"), np.float64) for each in (given, new))
    error = float(np.square(one - other).mean())
    if error == 0:
        return Likeness(None, True, sizes)
    return Likeness(10 * math.log10(255**2 / error), False, sizes)
