"""Which models are on this machine: the built-in one, the cache's, and those in folders given."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from kakusan.checkpoints.cached import list_cached_models
from kakusan.checkpoints.facts import CARD, INDEX, Facts
from kakusan.checkpoints.hub_file import WHOLE_MODEL
from kakusan.checkpoints.identification import facts_of, is_part
from kakusan.checkpoints.selection import kind_of_weights
from kakusan.checkpoints.source import BUILTIN, locate
from kakusan.errors import CheckpointError, InputError, ModelNotFoundError, shown_path

OWN_FAMILY = "latent diffusion"  # of the built-in model
DEEPEST = 6  # folders below one that is given
MOST = 20_000  # folders that are looked into


@dataclass(frozen=True)
class AvailableModel:
    """A model that can be used without a network.

    Attributes:
        path: its folder, or the single file that it is.
        commit: the hub's; None for the built-in one and those in folders.
    """

    name: str
    path: Path
    size: int
    commit: str | None

    @property
    def folder(self) -> Path:
        return self.path if self.path.is_dir() else self.path.parent

    def told(self) -> Facts:
        """What it is, be it a part of a model, or what changes one.

        Raises:
            CheckpointError: Its files do not say, or are broken.
        """
        facts = facts_of(self.path)
        # its UNet is shaped as the second version's, which it is not
        return replace(facts, family=OWN_FAMILY) if self.name == BUILTIN else facts

    def facts(self) -> Facts | None:
        """The same, but None where its files do not say."""
        try:
            return self.told()
        except CheckpointError:
            return None

    def to_json(self) -> dict[str, object]:
        return {
            "name": self.name,
            "folder": str(self.folder),
            "bytes": self.size,
            "commit": self.commit,
        }


def cached_models() -> list[AvailableModel]:
    """The models in the Hub's cache, by name, and the single files in it."""
    found: list[AvailableModel] = []
    for model in list_cached_models():
        part = is_part(model.folder)
        files = sorted(_single_files(model.folder, part))
        whole = part or (model.folder / INDEX).is_file()
        if whole or not files:
            found.append(AvailableModel(model.name, model.folder, model.size, model.commit))
        for path in files:
            size = path.stat().st_size
            found.append(AvailableModel(f"{model.name}/{path.name}", path, size, model.commit))
    return found


def _single_files(folder: Path, part: bool) -> Iterator[Path]:
    """Files in a folder that may be whole models.

    Args:
        part: whether it is the folder of one part, whose own files of weights are none.
    """
    for path in folder.iterdir():
        own = part and kind_of_weights(path.name) is not None
        if not own and path.suffix.casefold() in WHOLE_MODEL - {".bin"} and path.is_file():
            yield path


def builtin_model() -> AvailableModel | None:
    """The model that comes with the package; None where an installation lacks it."""
    try:
        folder = locate(BUILTIN).folder
    except ModelNotFoundError:
        return None
    return AvailableModel(BUILTIN, folder, _size(folder), None)


def available_models() -> list[AvailableModel]:
    """The built-in model, then those in the cache."""
    builtin = builtin_model()
    return [*([builtin] if builtin else []), *cached_models()]


def models_in(folder: Path) -> list[AvailableModel]:
    """The models below a folder: folders in the published layout, parts of some, single files.

    Raises:
        InputError: It is no folder, or may not be read.
    """
    if not folder.is_dir():
        raise InputError(f"{shown_path(folder)} is no folder; give one that holds models")
    found: list[AvailableModel] = []
    depth = len(folder.parts)
    for count, (here, below, _) in enumerate(os.walk(folder, onerror=_refuse(folder))):
        path = Path(here)
        if count == MOST:
            break
        if (path / INDEX).is_file():
            found.append(AvailableModel(str(path), path, _size(path), None))
            below.clear()
            continue
        part = is_part(path)
        if part:
            found.append(AvailableModel(str(path), path, _size(path), None))
        files = sorted(_single_files(path, part))
        found += [AvailableModel(str(each), each, each.stat().st_size, None) for each in files]
        deepest = len(path.parts) - depth >= DEEPEST
        below[:] = [] if deepest else sorted(name for name in below if not name.startswith("."))
    return found


def _refuse(folder: Path) -> Callable[[OSError], None]:
    """Says what cannot be read, if it is the folder that was given; others are passed by."""

    def refuse(error: OSError) -> None:
        if error.filename == str(folder):
            raise InputError(f"{shown_path(folder)} cannot be read: {error.strerror}") from None

    return refuse


def find_model(name: str) -> AvailableModel:
    """A model that is here: "builtin", a folder, a single file, or a name of the cache.

    Raises:
        ModelNotFoundError: It is not on this machine.
    """
    path = Path(name).expanduser()
    if name != BUILTIN and path.is_file():
        return AvailableModel(name, path, path.stat().st_size, None)
    for model in [] if path.exists() else cached_models():
        if model.name == name:  # as much of it as there is
            return model
    source = locate(name, local_files_only=True)
    return AvailableModel(source.name, source.folder, _size(source.folder), source.commit)


def card_of(model: AvailableModel) -> Path | None:
    """Where what its author writes about it is; None if it is not there."""
    card = model.path / CARD
    return card if card.is_file() else None


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
