"""Which models are on this machine."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import CachedRepoInfo, HFCacheInfo, constants, scan_cache_dir
from huggingface_hub.errors import CacheNotFound

from kakusan.checkpoints.files import read_json
from kakusan.checkpoints.source import BUILTIN, locate
from kakusan.errors import CheckpointError, ModelNotFoundError, OutputError, nearest

INDEX = "model_index.json"


@dataclass(frozen=True)
class AvailableModel:
    """A model that can be used without a network. `commits` is empty for the built-in one."""

    name: str
    folder: Path
    size: int
    commits: tuple[str, ...]

    def to_json(self) -> dict[str, object]:
        return {
            "name": self.name,
            "folder": str(self.folder),
            "bytes": self.size,
            "commits": list(self.commits),
        }


def _cache() -> HFCacheInfo | None:
    try:
        return scan_cache_dir(constants.HF_HUB_CACHE)
    except CacheNotFound:
        return None


def _newest(repo: CachedRepoInfo) -> Path:
    return max(repo.revisions, key=lambda revision: revision.last_modified).snapshot_path


def cached_models() -> list[AvailableModel]:
    """The models in the Hub's cache, by name."""
    cache = _cache()
    repos = sorted(cache.repos, key=lambda repo: repo.repo_id) if cache else []
    return [
        AvailableModel(
            repo.repo_id,
            _newest(repo),
            repo.size_on_disk,
            tuple(sorted(revision.commit_hash for revision in repo.revisions)),
        )
        for repo in repos
        if repo.repo_type == "model" and repo.revisions
    ]


def builtin_model() -> AvailableModel | None:
    """The model that comes with the package; None where an installation lacks it."""
    try:
        folder = locate(BUILTIN).folder
    except ModelNotFoundError:
        return None
    return AvailableModel(BUILTIN, folder, _size(folder), ())


def available_models() -> list[AvailableModel]:
    """The built-in model, then those in the cache."""
    builtin = builtin_model()
    return [*([builtin] if builtin else []), *cached_models()]


def cached_model(name: str) -> AvailableModel:
    """The cached model of this name.

    Raises:
        ModelNotFoundError: The cache has none.
    """
    models = {model.name: model for model in cached_models()}
    if name in models:
        return models[name]
    reason = "comes with the package and is not in the cache" if name == BUILTIN else "is not there"
    hint = nearest(name, models) if models else " The cache is empty."
    raise ModelNotFoundError(f"{name!r} {reason}.{hint}")


def remove_cached_model(model: AvailableModel) -> None:
    """Delete all revisions of a model from the cache.

    Raises:
        OutputError: Its files could not be deleted.
    """
    cache = _cache()
    if cache is None:
        return
    cache.delete_revisions(*model.commits).execute()
    if model.folder.exists():  # huggingface_hub only logs what it could not delete
        raise OutputError(f"could not remove '{model.folder}'; may its folder be written?")


def describe_model(name: str) -> dict[str, object]:
    """Where a model is, its size, and the class of each of its parts.

    Raises:
        ModelNotFoundError: It is not on this machine.
        CheckpointError: Its index is broken.
    """
    source = locate(name, local_files_only=True)
    folder = source.folder
    index = read_json(folder / INDEX) if (folder / INDEX).is_file() else {}
    parts = {part: entry[1] for part, entry in index.items() if _names_a_class(entry)}  # pyright: ignore
    return {
        "name": source.name,
        "folder": str(folder),
        "commit": source.commit,
        "bytes": _size(folder),
        "parts": parts,
    }


def _names_a_class(entry: object) -> bool:
    return isinstance(entry, list) and len(entry) == 2 and isinstance(entry[1], str)  # pyright: ignore


def _size(folder: Path) -> int:
    return sum(_file_sizes(folder))


def _file_sizes(folder: Path) -> Iterator[int]:
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place, name)
            try:
                yield path.stat().st_size
            except OSError as error:
                raise CheckpointError(f"'{path}' cannot be read: {error.strerror}") from None
