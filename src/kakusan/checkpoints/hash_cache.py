"""Hashes of model files, kept so that gigabytes are read once."""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import cast

from kakusan.checkpoints.facts import hashes_of
from kakusan.checkpoints.files import write_bytes
from kakusan.errors import InputError

MOST_FILES = 5000  # of which hashes are kept
_LARGEST = 4_000_000  # bytes of what is kept
_HASHES = {
    "hash": re.compile("[0-9a-f]{10}"),
    "old hash": re.compile("[0-9a-f]{8}"),
    "sha256": re.compile("[0-9a-f]{64}"),
    "lora hash": re.compile("[0-9a-f]{12}"),  # which adapters have besides
}
_OF_ALL = {"hash", "old hash", "sha256"}

Hashes = dict[str, str]


def cache_file() -> Path:
    """Where they are kept: KAKUSAN_CACHE, or the user's folder for what can be made again."""
    own, users = os.environ.get("KAKUSAN_CACHE"), os.environ.get("XDG_CACHE_HOME")
    if own:
        return Path(own) / "hashes.json"
    return (Path(users) if users else Path.home() / ".cache") / "kakusan" / "hashes.json"


class HashCache:
    """The hashes of files, as `hashes_of` gives them, computed where they are not known yet.

    A file is known by its path, its size and when it was last changed. What cannot be kept is
    computed again another time.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = cache_file() if path is None else path
        self._known = _read(self._path)

    def of(self, file: Path, tell: Callable[[float], object] | None = None) -> Hashes:
        """A file's hashes.

        Args:
            tell: is told how much is done, from 0 to 1.

        Raises:
            InputError: It cannot be read.
        """
        key = _key(file)
        known = self._known.get(key)
        if known is None:
            known = hashes_of(file, tell)
            self._keep(key, known)
        return known

    def knows(self, file: Path) -> bool:
        """Whether a file's hashes need not be computed."""
        try:
            return _key(file) in self._known
        except InputError:
            return False

    def _keep(self, key: str, hashes: Hashes) -> None:
        # another program may have kept more meanwhile
        self._known = {**_read(self._path), **self._known, key: hashes}
        newest = list(self._known.items())[-MOST_FILES:]
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(self._path, json.dumps(dict(newest), indent=0).encode())
        except (OSError, InputError):
            return


def _key(file: Path) -> str:
    try:
        path = file.resolve()
        found = path.stat()
    except OSError as error:
        raise InputError(f"'{file}' cannot be read: {error.strerror}") from None
    return f"{found.st_size} {found.st_mtime_ns} {os.fsencode(path).decode('utf-8', 'replace')}"


def _read(path: Path) -> dict[str, Hashes]:
    """What is kept; nothing where it cannot be read, or is something else."""
    try:
        if not path.is_file() or path.stat().st_size > _LARGEST:
            return {}
        kept = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(kept, dict):
        return {}
    entries = cast("dict[str, object]", kept).items()
    return {key: cast("Hashes", each) for key, each in entries if _are_hashes(each)}


def _are_hashes(value: object) -> bool:
    if not isinstance(value, dict):
        return False
    told = cast("dict[str, object]", value)
    return _OF_ALL <= told.keys() <= _HASHES.keys() and all(
        isinstance(digits, str) and _HASHES[name].fullmatch(digits) is not None
        for name, digits in told.items()
    )
