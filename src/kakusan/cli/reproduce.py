"""`kakusan reproduce`: the same pixels again, from a picture's file alone."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kakusan import __version__
from kakusan.cli.console import complain, progress, say_json, say_path
from kakusan.cli.exits import DONE, PARTLY
from kakusan.cli.info import load_record
from kakusan.cli.place import Place
from kakusan.cli.process import hold_memory
from kakusan.errors import InputError, RequestError
from kakusan.request import Request

if TYPE_CHECKING:
    from PIL.Image import Image

LOSSLESS = frozenset({".png"})


def check_record(record: Mapping[str, object]) -> None:
    """Check all that can be checked of one picture's record before a model is loaded.

    Raises:
        InputError: It tells too little, or is not what kakusan writes.
    """
    if not isinstance(record.get("kakusan"), str):
        raise InputError(f"the record's kakusan must be a text, not {record['kakusan']!r:.60}")
    pictures = Request.from_record(record).num_pictures
    if pictures != 1:
        raise InputError(f"the record is of {pictures} pictures, not of one")
    if record.get("seed") is None:
        raise InputError(
            "the record has no seed (the noise was given from outside), so this picture cannot be "
            "reproduced"
        )
    if record.get("model") is None:
        raise InputError("the record names no model; say which with --model")


def pictures_in(
    record: dict[str, object], path: Path, model: str | None
) -> tuple[list[dict[str, object]], int, int]:
    """The checked records of the pictures in a file, with the rows and columns they stand in.

    A `model` stands in for the one that they name.
    """
    from kakusan.images import grid_records

    if "kakusan" not in record:
        raise InputError(
            f"'{path}' was made by another program; kakusan reproduces only its own pictures "
            "(`kakusan info` shows what the file tells)"
        )
    records, rows, cols = grid_records(record) if "grid" in record else ([record], 1, 1)
    if model is not None:
        records = [{**each, "model": model, "commit": None, "variant": None} for each in records]
    for each in records:
        check_record(each)
    return records, rows, cols


def chosen_device(record: Mapping[str, object], asked: str | None) -> str:
    """The device asked for, else the record's if this machine has it, else the best here."""
    from kakusan.runtime.device import best_device, parse_device

    if asked is not None:
        return str(parse_device(asked))
    recorded = record.get("device")
    try:
        return str(parse_device(recorded if isinstance(recorded, str) else None))
    except RequestError:
        return str(best_device())


def differences(record: Mapping[str, object], device: str) -> list[str]:
    """What is not as it was when the picture was made, and may change its pixels."""
    now = {"kakusan": __version__, "device": device.partition(":")[0]}
    pairs = ((name, record.get(name), value) for name, value in now.items())
    return [f"{name} {then} then, {value} now" for name, then, value in pairs if then != value]


def draw_again(
    records: Sequence[Mapping[str, object]], rows: int, cols: int, device: str, bar: bool | None
) -> tuple["Image", dict[str, object]]:
    """The picture, or the grid, that the records tell of, and its new record."""
    from kakusan.images import grid_record, image_grid
    from kakusan.pipeline import reproduce
    from kakusan.text import said_once

    hold_memory()
    with said_once():
        drawn = [reproduce(record, device=device, progress=bar) for record in records]
    if len(drawn) == 1 and (rows, cols) == (1, 1):
        return drawn[0].image, drawn[0].record
    image = image_grid([picture.image for picture in drawn], rows, cols)
    return image, grid_record([picture.record for picture in drawn], rows, cols)


def same_pixels(given: Path, image: "Image") -> bool | None:
    """Whether a file holds the pixels of `image`; None where its format does not keep them."""
    from kakusan.images import read_picture

    if given.suffix.casefold() not in LOSSLESS:
        return None
    then = read_picture(given)
    return then.size == image.size and then.tobytes() == image.convert("RGB").tobytes()


VERDICTS = {
    True: "the pixels are identical to the given picture's",
    False: "the pixels differ from the given picture's",
    None: "the pixels cannot be compared: the given file's format does not keep them exactly",
}


def reproduce(
    picture: Annotated[Path, typer.Argument(metavar="PICTURE", help="A file that kakusan wrote.")],
    model: Annotated[str | None, typer.Option(help="Where its model is now.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, mps; as recorded.")] = None,
    output: Annotated[
        str | None, typer.Option("-o", "--output", help="FILE or FOLDER/; else beside PICTURE.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Show no progress.")] = False,
) -> int:
    """Make PICTURE again from its record, and say whether the pixels are the same.

    The exit code is 3 when they differ.
    """
    from kakusan.images.metadata import FORMATS

    record = load_record(picture)
    records, rows, cols = pictures_in(record, picture, model)
    suffix = picture.suffix if picture.suffix.casefold() in FORMATS else ".png"
    place = Place.of(output, suffix, picture.parent)
    bar, where = progress(quiet), chosen_device(record, device)
    if changed := differences(record, where):
        complain(f"the pixels may differ: {', '.join(changed)}")
    image, new_record = draw_again(records, rows, cols, where, bar)
    same = same_pixels(picture, image)
    if place.stem is None:
        path = place.save_as(image, new_record, f"{picture.stem}-reproduced")
    else:
        path = place.save(image, new_record)
    if as_json:
        say_json({"path": str(path), "identical": same, "record": new_record})
    else:
        say_path(path)
        complain(VERDICTS[same])
    return PARTLY if same is False else DONE
