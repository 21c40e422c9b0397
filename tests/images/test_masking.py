"""Masks on pictures: edges, what lies under them, the part around them."""

import numpy as np
import pytest
from diffusers.image_processor import VaeImageProcessor
from PIL import Image

from kakusan.images.masking import (
    blurred,
    box_around,
    cut_out,
    edge_levels,
    filled,
    in_shape,
    reach_of,
)

RNG = np.random.default_rng(0)


def square(height: int, width: int, top: int, left: int, bottom: int, right: int) -> np.ndarray:
    levels = np.zeros((height, width), np.float32)
    levels[top:bottom, left:right] = 1
    return levels


def test_a_blurred_edge_is_a_gaussian() -> None:
    levels = square(60, 80, 20, 0, 60, 80)
    found = blurred(levels, 4)
    places = np.arange(-10, 11)
    weights = np.exp(-(places**2) / 32)
    weights /= weights.sum()
    expected = [weights[(row + places) >= 20].sum() for row in range(9, 31)]
    assert np.abs(found[9:31, 40] - expected).max() <= 1 / 255
    assert np.abs(found[:, :1] - found).max() <= 1 / 255  # mirrored at the sides
    assert reach_of(4) == 10
    assert not found[: 20 - 10].any()
    assert np.array_equal(blurred(levels, 0), levels)


def test_blurring_a_mask_smaller_than_the_blur() -> None:
    assert blurred(np.ones((1, 3), np.float32), 9).min() == 1
    assert not blurred(np.zeros((2, 2), np.float32), 9).any()


def test_the_part_around_a_mask_is_the_references() -> None:
    for _ in range(200):
        height, width = RNG.integers(20, 200, 2)
        top, left = RNG.integers(0, height - 1), RNG.integers(0, width - 1)
        bottom, right = RNG.integers(top + 1, height + 1), RNG.integers(left + 1, width + 1)
        levels = square(height, width, top, left, bottom, right)
        size = tuple(int(each) * 8 for each in RNG.integers(1, 20, 2))
        padding = int(RNG.integers(0, 40))
        mask = Image.fromarray((levels * 255).astype(np.uint8))
        expected = VaeImageProcessor.get_crop_region(mask, *size, pad=padding)
        box = box_around(levels, padding)
        assert box is not None
        assert in_shape(box, size, (int(width), int(height))) == expected
    assert box_around(np.zeros((5, 5), np.float32), 3) is None


def test_colours_around_a_mask_are_spread_under_it() -> None:
    array = np.zeros((64, 64, 3), np.uint8)
    array[:, :32], array[:, 32:] = (200, 30, 30), (30, 30, 200)
    array[20:44, 20:44] = (0, 255, 0)  # of which nothing is to be seen
    levels = square(64, 64, 20, 20, 44, 44)
    found = np.asarray(filled(Image.fromarray(array), levels)).astype(int)
    assert found[..., 1].max() <= 40
    assert found[32, 24, 0] > found[32, 24, 2]
    assert found[32, 40, 2] > found[32, 40, 0]
    assert np.abs(found - array)[levels == 0].max() <= 1
    assert np.asarray(filled(Image.fromarray(array), np.zeros_like(levels)))[32, 32, 1] == 255


@pytest.mark.parametrize("feather", [0, 1, 8])
def test_edges_of_what_is_added(feather: int) -> None:
    levels = edge_levels((40, 30), 8, 0, 0, 16, feather)
    assert levels.shape == (46, 48)
    assert (levels[:, :8] == 1).all()
    assert (levels[30:] == 1).all()
    inside = levels[:30, 8:]
    assert not inside[: 30 - feather, feather:].any()
    if feather > 1:
        assert inside[5, 0] == 1
        assert inside[5, 4] == pytest.approx(0.25)
        assert (np.diff(inside[5, :feather]) < 0).all()


def test_beyond_a_picture_its_edges_go_on() -> None:
    array = RNG.integers(0, 256, (6, 5, 3), np.uint8)
    found = np.asarray(cut_out(Image.fromarray(array), (-2, -1, 7, 6)))
    assert found.shape == (7, 9, 3)
    assert np.array_equal(found[1:, 2:7], array)
    assert np.array_equal(found[0, 2:7], array[0])
    assert (found[3, :2] == array[2, 0]).all()
    assert (found[3, 7:] == array[2, 4]).all()
