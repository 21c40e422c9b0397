"""Pictures in overlapping tiles, by the rule of SD upscale."""

import math

import numpy as np
import pytest
from PIL import Image

from kakusan.images.tiles import Tiles


def noise(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(2).integers(0, 256, (height, width, 3), np.uint8))


@pytest.mark.parametrize(
    ("whole", "tile", "overlap", "starts"),
    [
        # AUTOMATIC1111: count = ceil((w - overlap) / (tile - overlap)), evenly
        (1024, 512, 64, (0, 256, 512)),
        (1536, 512, 64, (0, 341, 682, 1024)),
        (512, 512, 64, (0,)),
        (520, 512, 64, (0, 8)),
        (300, 512, 64, (0,)),
        (512, 128, 16, (0, 96, 192, 288, 384)),
        (256, 128, 0, (0, 128)),
    ],
)
def test_where_tiles_begin(whole: int, tile: int, overlap: int, starts: tuple[int, ...]) -> None:
    found = Tiles.of(whole, 512, (tile, 512), overlap)
    assert found.columns == starts
    if whole > tile:
        assert len(starts) == math.ceil((whole - overlap) / (tile - overlap))


@pytest.mark.parametrize("size", [(1024, 640), (513, 77), (40, 600), (3, 5), (130, 129)])
def test_tiles_that_nothing_changed_are_the_picture(size: tuple[int, int]) -> None:
    picture = noise(*size)
    tiles = Tiles.of(*size, (128, 128), 16)
    cut = tiles.cut(picture)
    assert len(cut) == len(tiles)
    assert {each.size for each in cut} == {tiles.tile}
    assert all(side % 8 == 0 for side in tiles.tile)
    back = np.asarray(tiles.joined(cut), int)
    assert back.shape == (size[1], size[0], 3)
    assert np.abs(back - np.asarray(picture, int)).max() <= 1  # Pillow's blending rounds


def test_tiles_of_other_colours_fade_into_each_other() -> None:
    """100 levels over 32 pixels are three or four a pixel, in rows and in columns."""
    tiles = Tiles.of(224, 224, (128, 128), 32)
    assert (tiles.columns, tiles.rows) == ((0, 96), (0, 96))
    colours = [(50, 50, 50), (150, 150, 150), (150, 150, 150), (50, 50, 50)]
    joined = tiles.joined([Image.new("RGB", (128, 128), colour) for colour in colours])
    levels = np.asarray(joined, int)[..., 0]
    assert np.abs(np.diff(levels, axis=1)).max() <= 5
    assert np.abs(np.diff(levels, axis=0)).max() <= 5
    assert (levels[0, 96], levels[0, 128]) == (50, 150)
    assert levels[0, 112] in (99, 100)  # half of the way, in whole parts of 255
