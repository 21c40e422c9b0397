"""Several pictures in one, and the record of it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from kakusan.errors import InputError, RequestError
from kakusan.images import grid_record, grid_records, image_grid

COLOURS = ["red", "lime", "blue", "white", "yellow", "black"]


def cells(size: tuple[int, int] = (4, 2)) -> list[Image.Image]:
    return [Image.new("RGB", size, colour) for colour in COLOURS]


def test_pictures_stand_row_by_row() -> None:
    grid = image_grid(cells(), rows=2, cols=3)
    assert grid.size == (12, 4)
    seen = [grid.getpixel((x * 4 + 3, y * 2 + 1)) for y in range(2) for x in range(3)]
    assert seen == [cell.getpixel((0, 0)) for cell in cells()]


@pytest.mark.parametrize(("rows", "cols"), [(2, 2), (3, 3), (0, 6), (-2, -3)])
def test_a_wrong_number_is_refused(rows: int, cols: int) -> None:
    with pytest.raises(RequestError, match="does not hold 6 picture"):
        image_grid(cells(), rows, cols)


def test_no_pictures_are_refused() -> None:
    with pytest.raises(ValueError, match="0 picture"):
        image_grid([], 0, 0)


def test_pictures_of_other_sizes_are_refused() -> None:
    with pytest.raises(RequestError, match=r"first is 4x2 and number 3 is 8x2; resize them"):
        image_grid([*cells()[:2], Image.new("RGB", (8, 2)), *cells()[3:]], 2, 3)


@pytest.mark.parametrize("kind", [np.uint8, np.float32, np.float64])
def test_arrays_are_pictures_too(kind: type) -> None:
    arrays = np.stack([np.asarray(cell) for cell in cells()])
    given = arrays if kind is np.uint8 else (arrays / 255).astype(kind)
    assert image_grid(given, 2, 3).tobytes() == image_grid(cells(), 2, 3).tobytes()
    assert image_grid(iter(given), 2, 3).size == (12, 4)
    assert image_grid([given[0][:, :, 0]], 1, 1).getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize("mode", ["L", "P", "1", "RGBA", "LA", "CMYK"])
def test_modes_may_differ(mode: str) -> None:
    grid = image_grid([cells()[0], cells()[3].convert(mode)], 1, 2)
    assert grid.mode == ("RGBA" if mode.endswith("A") else "RGB")
    assert grid.getpixel((0, 0)) == (255, 0, 0, 255)[: len(grid.mode)]
    assert grid.getpixel((4, 0)) == (255, 255, 255, 255)[: len(grid.mode)]


def test_what_is_clear_stays_clear() -> None:
    grid = image_grid([Image.new("RGBA", (2, 2), (9, 9, 9, 0)), cells((2, 2))[0]], 1, 2)
    assert grid.getpixel((0, 0)) == (9, 9, 9, 0)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["a.png"], "picture 1 of the grid is a str; give PIL pictures"),
        ([Path("a.png")], "is a PosixPath"),
        ([None], "is a NoneType"),
        ([torch.zeros(3, 8, 8)], "is a Tensor"),
        ([np.zeros((3, 8, 8))], r"an array \(3, 8, 8\) of float64"),
        ([np.full((8, 8, 3), 255.0)], "floats in"),
        ([np.full((8, 8, 3), np.nan)], "floats in"),
        ([np.zeros((8, 8, 3), int)], "of int64"),
        ([np.zeros((0, 8, 3))], "an array"),
        ([np.zeros(())], "an array"),
        ("a.png", "takes a list of pictures, not 'a.png'"),
        (Image.new("RGB", (8, 8)), "takes a list of pictures"),
        (7, "takes a list of pictures, not 7"),
        (None, "takes a list of pictures, not None"),
    ],
)
def test_what_is_no_picture_is_one_line(given: Any, said: str) -> None:
    with pytest.raises(RequestError, match=said) as caught:
        image_grid(given, 1, 1)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("rows", "cols"), [(2.0, 3), ("2", 3), (None, 6), (True, 6)])
def test_rows_and_columns_are_whole_numbers(rows: Any, cols: Any) -> None:
    with pytest.raises(RequestError, match="does not hold 6 picture"):
        image_grid(cells(), rows, cols)


def records(count: int) -> list[dict[str, object]]:
    return [{"kakusan": "0.1.0", "prompt": "a cat", "seed": 7 + i} for i in range(count)]


@pytest.mark.parametrize(("rows", "cols"), [(1, 1), (2, 3), (1, 4)])
def test_a_grids_record_gives_its_pictures_back(rows: int, cols: int) -> None:
    given = records(rows * cols)
    record = grid_record(given, rows, cols)
    assert record["prompt"] == "a cat"
    assert record["seed"] == 7
    assert grid_records(record) == (given, rows, cols)


def test_what_only_some_pictures_have_is_kept() -> None:
    given = records(2)
    given[1]["notes"] = ["vae computed in float32"]
    assert grid_records(grid_record(given, 1, 2))[0] == given


@pytest.mark.parametrize(
    "broken",
    [
        {"grid": [2, 2], "pictures": [{}]},
        {"grid": [1, 1], "pictures": [7]},
        {"grid": [1, 1]},
        {"grid": "1x1", "pictures": [{}]},
        {"grid": [-1, -1], "pictures": [{}]},
        {"grid": [1.0, 1.0], "pictures": [{}]},
    ],
)
def test_a_broken_record_is_refused(broken: dict[str, object]) -> None:
    with pytest.raises(InputError, match="grid is broken"):
        grid_records({"kakusan": "0.1.0", **broken})
