"""How near a picture comes to another."""

import math

import numpy as np
import pytest
from PIL import Image

from kakusan.interchange import likeness

RANDOM = np.random.default_rng(1)
PIXELS = RANDOM.integers(0, 256, (5, 7, 3), dtype=np.uint8)


def test_the_psnr_is_over_all_pixels_and_channels() -> None:
    other = RANDOM.integers(0, 256, PIXELS.shape, dtype=np.uint8)
    mean = np.mean(
        [(float(a) - float(b)) ** 2 for a, b in zip(PIXELS.flat, other.flat, strict=True)]
    )
    near = likeness(Image.fromarray(PIXELS), Image.fromarray(other))
    assert near.psnr == pytest.approx(10 * math.log10(255**2 / float(mean)))
    assert near == likeness(Image.fromarray(other), Image.fromarray(PIXELS))
    assert str(near) == f"PSNR: {near.psnr:.2f} dB (the pixels differ)"


def test_one_step_of_one_channel_of_one_pixel_differs() -> None:
    other = PIXELS.copy()
    other[2, 3, 1] ^= 1
    near = likeness(Image.fromarray(PIXELS), Image.fromarray(other))
    assert not near.identical
    assert near.psnr == pytest.approx(10 * math.log10(255**2 * PIXELS.size))


def test_equal_pixels_are_identical_whatever_the_mode() -> None:
    image = Image.fromarray(PIXELS)
    for other in (image, image.convert("RGBA")):
        assert likeness(image, other) == (None, True, (image.size, image.size))
    grey = image.convert("L")
    assert likeness(grey, grey.convert("RGB")).identical
    clear = image.convert("RGBA")
    clear.putalpha(0)
    assert likeness(image, clear).identical


def test_other_sizes_have_no_psnr() -> None:
    near = likeness(Image.new("RGB", (4, 8)), Image.new("RGB", (8, 4)))
    assert near == (None, False, ((4, 8), (8, 4)))
    assert str(near) == "PSNR: none (the given picture has 4x8 pixels, the new one 8x4)"
