"""The lines of a manifest: one for each picture, and one for a row that has none."""

import hashlib
import json
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from kakusan.batch.keys import stem_of
from kakusan.batch.row import SUCCESS, Drawn, Row
from kakusan.images import read_record
from kakusan.request import Request
from kakusan.request.randomness import RandomRequest

Record = dict[str, Any]
_RANDOM = ("seed", *(field.name for field in fields(RandomRequest)))


@dataclass(frozen=True)
class Kept:
    """A picture that is in a file.

    Attributes:
        prompt: its own; None for the row's.
    """

    width: int
    height: int
    sha256: str
    prompt: str | None = None

    @classmethod
    def of(cls, drawn: Drawn) -> "Kept":
        digest = hashlib.sha256(drawn.data).hexdigest()
        return cls(drawn.width, drawn.height, digest, drawn.prompt)

    @classmethod
    def in_file(cls, path: Path) -> "Kept":
        """Of a PNG file that a run has written."""
        data = path.read_bytes()
        width, height = struct.unpack(">II", data[16:24])
        record = read_record(path) or {}
        chosen = record.get("prompt") if record.get("template") is not None else None
        return cls(width, height, hashlib.sha256(data).hexdigest(), _text(chosen))


@dataclass(frozen=True)
class Outcome:
    """What became of a row, whose pictures are in files."""

    status: str
    pictures: Sequence[Kept] = ()
    error: str | None = None


def records_of(row: Row, outcome: Outcome, file_of: Callable[[str], str]) -> list[Record]:
    """The lines of a row.

    Args:
        file_of: says which file the next picture is in, whose own name is given.
    """
    if outcome.status != SUCCESS:
        return [_record(row, outcome, row.key, None, None, "")]
    names = zip(row.named(row.key), row.named(row.stem), outcome.pictures, strict=True)
    return [
        _record(row, outcome, key, index, picture, file_of(stem))
        for index, (key, stem, picture) in enumerate(names)
    ]


def _record(
    row: Row, outcome: Outcome, key: str, index: int | None, picture: Kept | None, file: str
) -> Record:
    own = None if picture is None else picture.prompt
    return {
        "row": row.number,
        "key": key,
        "status": outcome.status,
        "error_message": outcome.error,
        "prompt": _text(row.settings.get("prompt") if own is None else own),
        "seed": _seed(row.settings, index),
        "width": None if picture is None else picture.width,
        "height": None if picture is None else picture.height,
        "picture": None if index is None else index + 1,
        "pictures": None if index is None else len(outcome.pictures),
        "file": file or None,
        "sha256": None if picture is None else picture.sha256,
        **row.carried,
    }


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _seed(settings: Mapping[str, Any], index: int | None) -> int | None:
    """That of a picture, by the rules of a request; of a row without pictures, its own."""
    seed = settings.get("seed")
    if index is None:
        return seed if type(seed) is int else None
    random = {name: settings[name] for name in _RANDOM if settings.get(name) is not None}
    return Request.of("", **random).seed_of(index)


def is_last(record: Mapping[str, Any]) -> bool:
    """Whether a row has no line behind this one."""
    return record["picture"] == record["pictures"]


def stem_in(record: Mapping[str, Any]) -> str:
    """The name that a picture has among others in one file."""
    if record["pictures"] == 1:
        return stem_of(record["key"])
    number = f"-{record['picture']}"
    return f"{stem_of(str(record['key']).removesuffix(number))}{number}"


def line_of(record: Mapping[str, Any]) -> bytes:
    """A record as a line; half of a character is written as JSON writes it."""
    text = json.dumps(record, ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", "backslashreplace") + b"\n"
