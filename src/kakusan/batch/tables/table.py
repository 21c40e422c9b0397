"""What every kind of table is: columns that were looked at once, and rows that are read in turn."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from kakusan.errors import InputError, shown_path

_PIECE = 2**20  # bytes that are hashed at a time
_LARGEST = 2**63


@dataclass(frozen=True)
class Survey:
    """What is known of a table after it was read through once.

    Attributes:
        kinds: of what stands in each column: text, whole (of 64 bits), count (without a sign),
            number, truth, json or bytes.
        rows: how many there are.
        sha256: of the file.
    """

    kinds: Mapping[str, str]
    rows: int
    sha256: str


@dataclass(frozen=True)
class Broken:
    """A row that cannot be read, and why."""

    text: str
    error: str


class Table(Protocol):
    """A file of rows."""

    @property
    def path(self) -> Path: ...

    def survey(self) -> Survey:
        """Read all of it once.

        Raises:
            InputError: It cannot be read, or is no such table.
        """
        ...

    def rows(self) -> Iterator[Mapping[str, Any] | Broken]:
        """Each row: what stands under the names of the columns."""
        ...


def hash_of(path: Path) -> str:
    """The SHA-256 of a file.

    Raises:
        InputError: It cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                digest.update(piece)
    except OSError as error:
        raise InputError(f"{shown_path(path)} cannot be read: {error.strerror}") from None
    return digest.hexdigest()


def type_of(value: object) -> type:
    """That of a value; numbers that no file of columns has room for are of none."""
    return object if isinstance(value, int) and abs(value) >= _LARGEST else type(value)


def kind_of(values: set[type]) -> str:
    """What stands in a column where values of these types do."""
    kinds = values - {type(None)}
    if kinds <= {bool} and kinds:
        return "truth"
    if kinds <= {int} and kinds:
        return "whole"
    if kinds <= {int, float} and kinds:
        return "number"
    return "text" if kinds <= {str} else "json"
