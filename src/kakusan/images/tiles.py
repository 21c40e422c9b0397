"""A picture in overlapping tiles, and back: the rule of AUTOMATIC1111's SD upscale.

Source: modules/images.py, split_grid and combine_grid.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

_STEP = 8  # pixels that sides of tiles are multiples of


@dataclass(frozen=True)
class Tiles:
    """Where the tiles of a picture lie.

    Attributes:
        width, height: of the picture.
        tile: width and height of each.
        overlap: pixels over which each fades into the one before it.
        columns, rows: where they begin, in pixels, from the left and from the top.
    """

    width: int
    height: int
    tile: tuple[int, int]
    overlap: int
    columns: tuple[int, ...]
    rows: tuple[int, ...]

    @classmethod
    def of(cls, width: int, height: int, tile: tuple[int, int], overlap: int) -> "Tiles":
        """The fewest tiles of this size, or of the picture's where that is smaller, that cover it.

        They lie evenly, so that most overlap by some more.
        """
        sides = [
            min(side, math.ceil(whole / _STEP) * _STEP)
            for side, whole in zip(tile, (width, height), strict=True)
        ]
        overlap = min(overlap, *(side - 1 for side in sides))
        columns, rows = (
            _starts(whole, side, overlap)
            for whole, side in zip((width, height), sides, strict=True)
        )
        return cls(width, height, (sides[0], sides[1]), overlap, columns, rows)

    def __len__(self) -> int:
        return len(self.columns) * len(self.rows)

    def cut(self, image: Image.Image) -> list[Image.Image]:
        """The tiles of a picture, row by row; what lies beyond it is its last row or column."""
        right, below = (
            max(side - whole, 0)
            for side, whole in zip(self.tile, (self.width, self.height), strict=True)
        )
        whole = Image.fromarray(
            np.pad(np.asarray(image), ((0, below), (0, right), (0, 0)), mode="edge")
        )
        width, height = self.tile
        return [whole.crop((x, y, x + width, y + height)) for y in self.rows for x in self.columns]

    def joined(self, tiles: Sequence[Image.Image]) -> Image.Image:
        """One picture of tiles, row by row, each faded into those before it."""
        width, height = self.tile
        size = (max(self.width, width), max(self.height, height))
        found = Image.new("RGB", size)
        for number, y in enumerate(self.rows):
            row = Image.new("RGB", (size[0], height))
            first = number * len(self.columns)
            for x, tile in zip(self.columns, tiles[first:], strict=False):
                row.paste(tile, (x, 0), mask=self._fading(tile.size, x > 0, along=1))
            found.paste(row, (0, y), mask=self._fading(row.size, y > 0, along=0))
        return found.crop((0, 0, self.width, self.height))

    def _fading(self, size: tuple[int, int], fades: bool, *, along: int) -> Image.Image:
        """How much of a tile is seen: all of it but for where it begins, if it fades in there."""
        seen = np.full((size[1], size[0]), 255, np.uint8)
        if fades and self.overlap:
            levels = np.arange(self.overlap, dtype=np.float32) * 255 / self.overlap
            part = levels.astype(np.uint8)
            if along:
                seen[:, : self.overlap] = part
            else:
                seen[: self.overlap] = part[:, None]
        return Image.fromarray(seen)


def _starts(whole: int, side: int, overlap: int) -> tuple[int, ...]:
    """Where tiles begin along one side."""
    count = max(math.ceil((whole - overlap) / (side - overlap)), 1)
    step = (whole - side) / (count - 1) if count > 1 else 0
    return tuple(max(min(int(number * step), whole - side), 0) for number in range(count))
