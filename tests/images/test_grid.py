"""Several pictures in one, and the record of it."""

import pytest
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
