"""Which models are on this machine, the built-in one among them."""

from dataclasses import dataclass
from pathlib import Path

from kakusan.checkpoints.cached import list_cached_models
from kakusan.checkpoints.files import read_json
from kakusan.checkpoints.source import BUILTIN, locate
from kakusan.errors import ModelNotFoundError

INDEX = "model_index.json"
CARD = "README.md"


@dataclass(frozen=True)
class AvailableModel:
    """A model that can be used without a network; `commit` is None for the built-in one."""

    name: str
    folder: Path
    size: int
    commit: str | None

    def to_json(self) -> dict[str, object]:
        return {
            "name": self.name,
            "folder": str(self.folder),
            "bytes": self.size,
            "commit": self.commit,
        }


def cached_models() -> list[AvailableModel]:
    """The models in the Hub's cache, by name."""
    return [
        AvailableModel(model.name, model.folder, model.size, model.commit)
        for model in list_cached_models()
    ]


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


def describe_model(name: str) -> dict[str, object]:
    """Where a model is, its size, its card if there is one, and the class of each of its parts.

    Raises:
        ModelNotFoundError: It is not on this machine.
        CheckpointError: Its index is broken.
    """
    source = locate(name, local_files_only=True)
    folder = source.folder
    index = read_json(folder / INDEX) if (folder / INDEX).is_file() else {}
    parts: dict[str, str] = {}
    for part, entry in index.items():
        match entry:
            case [_, str(kind)]:
                parts[part] = kind
            case _:
                pass
    facts = AvailableModel(source.name, folder, _size(folder), source.commit).to_json()
    card = folder / CARD
    return {**facts, "card": str(card) if card.is_file() else None, "parts": parts}


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
