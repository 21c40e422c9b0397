"""Folders of words to choose from: `__animals__` is a line of animals.txt in one of them."""

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import cast

from kakusan.errors import ArgumentError, RequestError, nearest, shown, shown_path

_MOST_FILES = 100_000
_LARGEST = 64 * 2**20  # bytes of a file


class Wildcards:
    """The files of some folders, by their names without the ending: `plants/trees`.

    A text file has a choice in each line; empty lines and those that begin with # are none. A JSON
    file is a list of choices, or has lists by names, which are names beside the folder's files.
    Nothing outside the folders is read, whatever a name or a link says.
    """

    def __init__(self, folders: Sequence[Path | str]) -> None:
        self.folders = [Path(folder) for folder in folders]

    def values(self, name: str) -> list[str]:
        """All choices of a name, which may be a pattern with `*`, `?` and `[...]`; sorted.

        Raises:
            RequestError: There is no such file, or it cannot be read, or it has no choices.
        """
        pattern = re.sub(r"[\\/]+", "/", name).strip("/")
        for tried in (pattern, f"**/{pattern}"):
            found = [each for each in self._names if fnmatchcase(each, tried)]
            values = {value for each in found for value in self._values(each)}
            if values:
                return sorted(values)
        raise self._missing(name)

    def _missing(self, name: str) -> RequestError:
        if not self.folders:
            return ArgumentError(
                "no wildcard is called {0}: no folder with wildcards was named; name their folder "
                "with {wildcards}, or write \\__ for what is no wildcard",
                shown(name),
            )
        where = ", ".join(shown_path(folder) for folder in self.folders[:4])
        near = nearest(name, self._names) if self._names else " There are no .txt or .json files."
        return RequestError(f"no wildcard is called {shown(name)} in {where}.{near}")

    @cached_property
    def _names(self) -> dict[str, list[tuple[Path, str | None]]]:
        """Where each name is found: files, and the list in one where there are several."""
        names: dict[str, list[tuple[Path, str | None]]] = {}
        for folder in self.folders:
            for path in _files(folder):
                name = path.relative_to(folder).with_suffix("").as_posix()
                if path.suffix == ".txt":
                    names.setdefault(name, []).append((path, None))
                    continue
                above = name.rpartition("/")[0]
                for inner in _lists(path):
                    whole = "/".join(filter(None, (above, inner or Path(name).name)))
                    names.setdefault(whole, []).append((path, inner))
        return names

    def _values(self, name: str) -> Iterator[str]:
        for path, inner in self._names[name]:
            if inner is None and path.suffix == ".txt":
                lines = (line.strip() for line in _read(path).splitlines())
                yield from (line for line in lines if line and not line.startswith("#"))
            else:
                yield from _lists(path)[inner]


def _files(folder: Path) -> Iterator[Path]:
    """The .txt and .json files in a folder and in those within it, in order."""
    if not folder.is_dir():
        raise RequestError(f"there is no folder {shown_path(folder)} to take wildcards from")
    root, count = folder.resolve(), 0
    for where, folders, files in os.walk(folder):
        folders[:] = sorted(each for each in folders if not each.startswith("."))
        for name in sorted(files):
            count += 1
            if count > _MOST_FILES:
                raise RequestError(
                    f"{shown_path(folder)} has more than {_MOST_FILES} files; name a folder that "
                    "has wildcards only"
                )
            path = Path(where, name)
            if path.suffix in (".txt", ".json") and path.resolve().is_relative_to(root):
                yield path


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > _LARGEST:
            raise RequestError(f"{shown_path(path)} is larger than {_LARGEST >> 20} MB")
        return path.read_text(encoding="utf-8-sig", errors="ignore")
    except OSError as error:
        raise RequestError(f"{shown_path(path)} cannot be read: {error.strerror}") from None


def _lists(path: Path) -> dict[str | None, list[str]]:
    """The lists of a JSON file, by their names with slashes; None is the file itself."""
    try:
        read: object = json.loads(_read(path))
    except (ValueError, RecursionError):
        raise RequestError(f"{shown_path(path)} is no JSON") from None
    lists: dict[str | None, list[str]] = {}
    waiting: list[tuple[str | None, object]] = [(None, read)]
    while waiting:
        name, value = waiting.pop()
        if isinstance(value, dict):
            named = cast("Mapping[str, object]", value).items()
            waiting += [(f"{name}/{key}" if name else key, each) for key, each in named]
        elif isinstance(value, str | list):
            several = cast("list[object]", [value] if isinstance(value, str) else value)
            lists[name] = [each.strip() for each in several if isinstance(each, str)]
    return lists
