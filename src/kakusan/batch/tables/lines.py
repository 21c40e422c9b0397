"""JSONL: each line is a JSON object, whose names are the columns."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from kakusan.batch.tables.table import Broken, Survey, hash_of, kind_of, type_of
from kakusan.errors import InputError, shown_path


@dataclass(frozen=True)
class LinesTable:
    """A JSONL file, UTF-8 with or without a byte order mark."""

    path: Path

    def survey(self) -> Survey:
        kinds: dict[str, set[type]] = {}
        rows, broken = 0, ""
        for row in self.rows():
            rows += 1
            if isinstance(row, Broken):
                broken = broken or row.error
                continue
            for name, value in row.items():
                kinds.setdefault(name, set()).add(type_of(value))
        if broken and not kinds:
            raise InputError(f"{shown_path(self.path)} is no JSONL: {broken}")
        found = {name: kind_of(types) for name, types in kinds.items()}
        return Survey(found, rows, hash_of(self.path))

    def rows(self) -> Iterator[Mapping[str, Any] | Broken]:
        try:
            with self.path.open("rb") as file:
                for number, line in enumerate(file):
                    text = line.removeprefix(b"\xef\xbb\xbf") if number == 0 else line
                    if text.strip():
                        yield _read(text.strip(), number + 1)
        except OSError as error:
            raise InputError(f"{shown_path(self.path)} cannot be read: {error.strerror}") from None


def _read(line: bytes, number: int) -> Mapping[str, Any] | Broken:
    try:
        value = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError:
        why = "not UTF-8 text"
    except (ValueError, RecursionError) as error:
        why = f"no JSON: {getattr(error, 'msg', error)}"
    else:
        if isinstance(value, dict):
            return cast("dict[str, Any]", value)
        why = f"no JSON object but {type(value).__name__}"
    return Broken(line.decode("utf-8", "backslashreplace"), f"line {number} is {why}")
