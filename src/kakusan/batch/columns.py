"""Which column is which field of a `Request`, and which are only carried along."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from kakusan.batch.cells import KINDS, plain, value_of
from kakusan.errors import InputError, RequestError, listed, nearest, shown

ID = "id"
# What other tools and people call the fields, besides the names of a `Request`
SYNONYMS: Mapping[str, str] = {
    "caption": "prompt",
    "text": "prompt",
    "negative": "negative_prompt",
    "steps": "num_inference_steps",
    "cfg_scale": "guidance_scale",
    "guidance": "guidance_scale",
    "sampler": "scheduler",
    "n": "num_images_per_prompt",
    "count": "num_images_per_prompt",
    "revision": "commit",
    "prediction": "prediction_type",
    "key": ID,
}
# What a manifest says itself, so that a column of this name gets another
OWN = (
    *("row", "key", "status", "error_message", "prompt", "seed", "width", "height"),
    *("picture", "pictures", "file", "sha256"),
)
_FILE_NAME = re.compile(r"(^|_)file_name(s?)$")  # `datasets` takes such columns for pictures


def field_of(column: str) -> str | None:
    """The field that a column is for, or the id; None for another column."""
    name = column.strip().casefold().replace(" ", "_").replace("-", "_")
    found = SYNONYMS.get(name, name)
    return found if found in KINDS or found == ID else None


class Read(NamedTuple):
    """What one row says: its settings, what it carries, and why it cannot be read, if so."""

    settings: dict[str, Any]
    carried: dict[str, Any]
    error: str | None


@dataclass(frozen=True)
class Columns:
    """The columns of one table.

    Attributes:
        fields: the field that each column is for.
        carried: under each other column what a manifest calls it.
        left: columns that no manifest can carry: they hold bytes.
    """

    fields: Mapping[str, str]
    carried: Mapping[str, str]
    left: tuple[str, ...] = ()

    @classmethod
    def of(cls, kinds: Mapping[str, str], *, strict: bool = False) -> "Columns":
        """What the columns of a table are for.

        Args:
            kinds: of what stands in each column, see `kakusan.batch.tables.Table`.
            strict: whether other columns are refused.

        Raises:
            InputError: Two are for one field, none is for the prompt, or one is not known and that
                is refused.
        """
        found = {column: field for column in kinds if (field := field_of(column)) is not None}
        _check_no_two(found)
        if "prompt" not in found.values():
            said = listed(shown(each)[1:-1] for each in kinds)
            raise InputError(f"no column is called prompt, caption or text; the table has {said}")
        for column in found:
            if kinds[column] == "bytes":
                raise InputError(
                    f"the column {shown(column)} holds bytes; give texts, of pictures their paths"
                )
        others = [column for column in kinds if column not in found]
        if strict and others:
            raise InputError(
                f"the column {shown(others[0])} is not known, and --strict refuses it."
                f"{nearest(others[0], [*KINDS, *SYNONYMS])}"
            )
        left = tuple(column for column in others if kinds[column] == "bytes")
        return cls(found, _names([each for each in others if each not in left]), left)

    @property
    def words(self) -> dict[str, str]:
        """What messages call each field: its column."""
        return {field: column for column, field in self.fields.items()}

    def told(self) -> str:
        """What is done with each column, in one line."""
        said = [
            shown(column)[1:-1] if field == column else f"{shown(column)[1:-1]} is {field}"
            for column, field in self.fields.items()
        ]
        text = f"columns: {', '.join(said)}"
        if self.carried:
            names = [
                shown(column)[1:-1] if name == column else f"{shown(column)[1:-1]} as {name}"
                for column, name in self.carried.items()
            ]
            text += f"; carried along: {', '.join(names)}"
        return (
            f"{text}; left out, for they hold bytes: {', '.join(self.left)}" if self.left else text
        )

    def read(self, cells: Mapping[str, object]) -> Read:
        """Of one row its settings, what it carries, and why it cannot be read, if it cannot.

        A cell that cannot be read stands among the settings as it is.
        """
        settings, error = dict[str, Any](), None
        for column, field in self.fields.items():
            cell = cells.get(column)
            try:
                value = _id(cell) if field == ID else value_of(field, cell, column)
            except RequestError as wrong:
                error, value = error or str(wrong), plain(cell)
            if value is not None:
                settings[field] = value
        carried = {name: plain(cells.get(column)) for column, name in self.carried.items()}
        return Read(settings, carried, error)


def _check_no_two(found: Mapping[str, str]) -> None:
    by_field: dict[str, str] = {}
    for column, field in found.items():
        other = by_field.setdefault(field, column)
        if other != column:
            raise InputError(
                f"the columns {shown(other)} and {shown(column)} are both {field}; leave one of "
                "them out, or give it another name"
            )


def _names(columns: Iterable[str]) -> dict[str, str]:
    """What a manifest calls columns, so that each name is there once and means one thing."""
    found: dict[str, str] = {}
    taken = set(OWN)
    for column in columns:
        name = _FILE_NAME.sub(r"\1filename\2", column)
        while name in taken:
            name = f"input_{name}"
        taken.add(name)
        found[column] = name
    return found


def _id(cell: object) -> str | None:
    if cell is None or cell == "":
        return None
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    if isinstance(cell, bool) or not isinstance(cell, str | int):
        raise RequestError(f"an id must be a text or a whole number, not {shown(cell)}")
    return str(cell)
