"""Several pictures in one."""

from collections.abc import Mapping, Sequence
from typing import cast

from PIL import Image

from kakusan.errors import InputError, RequestError
from kakusan.images.parameters import Record


def image_grid(imgs: Sequence[Image.Image], rows: int, cols: int) -> Image.Image:
    """Put `rows * cols` pictures into one, row by row; cells have the size of the first.

    Raises:
        RequestError: The number of pictures is not `rows * cols`, or there are none.
    """
    if rows < 1 or cols < 1 or len(imgs) != rows * cols:
        raise RequestError(
            f"a grid of {rows} rows and {cols} columns does not hold {len(imgs)} picture(s); "
            "rows and columns are at least 1, and rows * columns is the number of pictures"
        )
    width, height = imgs[0].size
    grid = Image.new("RGB", (cols * width, rows * height))
    for index, picture in enumerate(imgs):
        grid.paste(picture, (index % cols * width, index // cols * height))
    return grid


def grid_record(records: Sequence[Mapping[str, object]], rows: int, cols: int) -> Record:
    """The record of a grid: what its pictures share, and under `pictures` what each has alone.

    `seed` beside them is the first picture's, as other programs expect of a grid.
    """
    shared = {k: v for k, v in records[0].items() if all(k in r and r[k] == v for r in records)}
    own = [{k: v for k, v in record.items() if k not in shared} for record in records]
    shared["seed"] = records[0].get("seed")
    return {**shared, "grid": [rows, cols], "pictures": own}


def grid_records(record: Mapping[str, object]) -> tuple[list[Record], int, int]:
    """The records of the pictures in a grid, its rows and its columns: undoes `grid_record`.

    Raises:
        InputError: The record is not one that `grid_record` gave.
    """
    shared = {key: value for key, value in record.items() if key not in ("grid", "pictures")}
    shape, own = record.get("grid"), record.get("pictures")
    match shape, own:
        case [int(rows), int(cols)], list() if rows > 0 and cols > 0:
            pictures = cast(list[object], own)
            if len(pictures) == rows * cols and all(isinstance(p, dict) for p in pictures):
                return [{**shared, **cast(Record, p)} for p in pictures], rows, cols
        case _:
            pass
    raise InputError("the record's grid is broken: it must list rows * columns pictures")
