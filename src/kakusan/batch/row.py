"""A row of a table, and what became of it: plain values, which travel between processes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SUCCESS = "success"
FAILED_ROW = "failed_row"  # it cannot be read, or asks for what cannot be drawn
FAILED_DRAW = "failed_draw"  # drawing it went wrong
FAILED_FLAGGED = "failed_flagged"  # the model's safety checker turned a picture black
FAILED_ATTEMPTS = "failed_attempts"  # whatever drew it died, again and again


@dataclass(frozen=True)
class Row:
    """A row that has a name.

    Attributes:
        number: its place in the table, from 0.
        key: its own id, or a hash of what it says.
        stem: the key as the name of a file.
        settings: under a `Request`'s names; its seed is among them.
        carried: what else it says, which goes into the manifest as it is.
        error: why it cannot be drawn; None where nothing is known against it.
    """

    number: int
    key: str
    stem: str
    settings: Mapping[str, Any]
    carried: Mapping[str, Any]
    error: str | None = None

    @property
    def count(self) -> int:
        """How many pictures it asks for."""
        found = self.settings.get("num_images_per_prompt", 1)
        return found if type(found) is int else 1

    def named(self, text: str) -> list[str]:
        """A name for each of its pictures, made of its own."""
        return names_of(text, self.count)


def names_of(text: str, count: int) -> list[str]:
    """The name itself for one picture, else one with a number for each."""
    return [text] if count == 1 else [f"{text}-{index + 1}" for index in range(count)]


@dataclass(frozen=True)
class Drawn:
    """A finished picture: the bytes of its PNG file, with its record inside.

    Attributes:
        prompt: of this picture, where the seed chose among several; None for the row's.
    """

    data: bytes
    width: int
    height: int
    prompt: str | None = None


@dataclass(frozen=True)
class Finished:
    """What became of a row: all its pictures, or why there is none.

    Attributes:
        number: the row's.
    """

    number: int
    status: str
    pictures: tuple[Drawn, ...] = ()
    error: str | None = None
