"""Several pictures in one."""

from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from typing import Any, SupportsIndex, cast

import numpy as np
import numpy.typing as npt
from PIL import Image

from kakusan.errors import InputError, RequestError, shown
from kakusan.images.parameters import Record


def image_grid(imgs: Iterable[Image.Image | npt.NDArray[Any]], rows: int, cols: int) -> Image.Image:
    """Put `rows * cols` pictures of one size into one, row by row; RGBA if one is transparent.

    Args:
        imgs: PIL pictures, or arrays (height, width, 3) of bytes, or of floats in [0, 1].

    Raises:
        RequestError: The number of pictures is not `rows * cols`, there are none, their sizes
            differ, or one is something else.
    """
    if isinstance(imgs, str | bytes | PathLike | Image.Image) or not isinstance(imgs, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise RequestError(f"image_grid takes a list of pictures, not {shown(imgs)}")
    pictures = [_picture(each, index) for index, each in enumerate(imgs)]
    whole = _is_whole(rows) and _is_whole(cols)
    if not whole or rows < 1 or cols < 1 or len(pictures) != rows * cols:
        raise RequestError(
            f"a grid of {shown(rows)} rows and {shown(cols)} columns does not hold {len(pictures)} "
            "picture(s); rows and columns are at least 1, and rows * columns is the number of "
            "pictures"
        )
    width, height = pictures[0].size
    for index, picture in enumerate(pictures):
        if picture.size != (width, height):
            other = f"{picture.width}x{picture.height}"
            raise RequestError(
                f"the pictures of a grid have one size, but the first is {width}x{height} and "
                f"number {index + 1} is {other}; resize them first, as with "
                f"picture.resize(({width}, {height}))"
            )
    mode = "RGBA" if any(each.has_transparency_data for each in pictures) else "RGB"
    grid = Image.new(mode, (cols * width, rows * height))
    for index, picture in enumerate(pictures):
        grid.paste(picture.convert(mode), (index % cols * width, index // cols * height))
    return grid


def _is_whole(number: object) -> bool:
    return isinstance(number, SupportsIndex) and not isinstance(number, bool)


def _picture(given: object, index: int) -> Image.Image:
    if isinstance(given, Image.Image):
        return given
    if not isinstance(given, np.ndarray):
        raise RequestError(
            f"picture {index + 1} of the grid is a {type(given).__name__}; give PIL pictures "
            "(kakusan.images.open_picture reads a file), or arrays (height, width, 3)"
        )
    array = cast(npt.NDArray[Any], given)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    fits = array.size and (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4)))
    if fits and array.dtype == np.uint8:
        return Image.fromarray(array)
    if fits and array.dtype.kind == "f" and array.min() >= 0 and array.max() <= 1:
        return Image.fromarray((array * 255).round().astype(np.uint8))
    raise RequestError(
        f"picture {index + 1} of the grid is an array {array.shape} of {array.dtype}; give "
        "(height, width, 3), as bytes or as floats in [0, 1]"
    )


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
