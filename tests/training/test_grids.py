"""Sheets of pictures: row by row, and white where there are too few for the last one."""

import numpy as np

from kakusan.training.grids import grid


def test_pictures_are_side_by_side_and_the_rest_is_white() -> None:
    pictures = np.arange(5, dtype=np.uint8)[:, None, None, None] + np.zeros((2, 3, 3), np.uint8)
    sheet = np.asarray(grid(pictures, columns=3))
    assert sheet.shape == (4, 9, 3)
    assert sheet[::2, ::3, 0].tolist() == [[0, 1, 2], [3, 4, 255]]
    assert np.asarray(grid(pictures, columns=5)).shape == (2, 15, 3)
