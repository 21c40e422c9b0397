"""Which model a row is drawn with: a hash of what is in its files, wherever they lie."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kakusan.checkpoints.hash_cache import HashCache
from kakusan.checkpoints.source import BUILTIN, Source, locate
from kakusan.errors import InputError, shown_path

_WEIGHTS = (".safetensors", ".bin", ".ckpt", ".pt", ".pth", ".gguf")
_PARTS = (*_WEIGHTS, ".json", ".txt", ".model")


class ModelHashes:
    """The hashes of models, each computed once."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str | None, str | None], str] = {}
        self._cache = HashCache()

    def of(self, settings: Mapping[str, Any]) -> str:
        """The hash of the model that settings name, which is fetched if need be.

        Of a Hub model it is that of its commit, of others that of all that their files say.

        Raises:
            InputError: There is no such model.
        """
        name = settings.get("model") or BUILTIN
        version = (settings.get("commit"), settings.get("variant"))
        if (name, *version) not in self._known:
            source = locate(name, revision=version[0], variant=version[1], files=True)
            self._known[(name, *version)] = self._hash(source)
        return self._known[(name, *version)]

    def _hash(self, source: Source) -> str:
        if source.commit is not None:
            inside = "" if source.file is None else f"/{source.file.name}"
            told = f"{source.name}{inside}@{source.commit}"
            return hashlib.sha256(told.encode()).hexdigest()
        if source.file is not None:
            return self._cache.of(source.file)["sha256"]
        digest = hashlib.sha256()
        for path in _files(source.folder):
            name = path.relative_to(source.folder).as_posix()
            keeps = source.name != BUILTIN and path.suffix in _WEIGHTS
            each = self._cache.of(path)["sha256"] if keeps else _hash_of(path)
            digest.update(f"{name} {each}\n".encode())
        return digest.hexdigest()


def _files(folder: Path) -> list[Path]:
    """Those that decide what is drawn, sorted."""
    found: list[Path] = []
    for at, folders, names in os.walk(folder):
        folders[:] = [each for each in folders if not each.startswith(".")]
        found += [Path(at) / name for name in names if Path(name).suffix in _PARTS]
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())


def _hash_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{shown_path(path)} cannot be read: {error.strerror}") from None
