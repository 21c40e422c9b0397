"""What a file of finished latents tells of its pictures; see `kakusan.pipeline.latents`."""

import json
from pathlib import Path
from typing import cast

from kakusan.checkpoints.single_file.header import Header, read_header
from kakusan.errors import InputError, reason, shown_path
from kakusan.images.parameters import Record

KEY = "kakusan"
LONGEST = 2**23  # characters of all records, as of a picture's


def latents_record(path: Path) -> Record:
    """The record of its picture, or of several all of them.

    Raises:
        InputError: It is no such file.
    """
    records = latents_records(path, read_header(path))
    return records[0] if len(records) == 1 else {KEY: records[0].get(KEY), "pictures": records}


def latents_records(path: Path, header: Header) -> list[Record]:
    """The record of each picture.

    Raises:
        InputError: The file has none, or they are broken.
    """
    text = header.metadata.get(KEY)
    if text is None:
        raise no_latents(path)
    try:
        told: object = json.loads(text) if len(text) <= LONGEST else None
    except (ValueError, RecursionError) as error:
        raise InputError(f"the records in {shown_path(path)} are broken: {reason(error)}") from None
    records = cast("list[object]", told) if isinstance(told, list) else []
    if not records or not all(isinstance(each, dict) for each in records):
        raise InputError(f"the records in {shown_path(path)} are broken: no list of objects")
    return cast("list[Record]", records)


def no_latents(path: Path) -> InputError:
    """The error for another program's file, such as a model's."""
    return InputError(
        f"{shown_path(path)} holds no latents that kakusan saved; `kakusan models show` tells of "
        "a model's file"
    )
