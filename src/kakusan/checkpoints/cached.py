"""The models in the hub's cache: listing, fetching and removing them."""

from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from huggingface_hub import scan_cache_dir
from huggingface_hub.errors import CacheNotFound
from huggingface_hub.utils import CachedRepoInfo, HFCacheInfo

from kakusan.checkpoints.source import PathLike, locate
from kakusan.errors import (
    CheckpointError,
    OutputError,
    RequestError,
    UnknownNameError,
    nearest,
    reason,
    shown,
)


@dataclass(frozen=True)
class CachedModel:
    """A model in the cache.

    `commit` and `folder` are those of the branch main, or of the newest snapshot where the cache
    lacks it; `size` is in bytes on disk, over all its snapshots.
    """

    name: str
    commit: str
    size: int
    last_used: datetime
    folder: Path


def list_cached_models(cache_dir: PathLike | None = None) -> list[CachedModel]:
    """The models in the hub's cache, by name."""
    models = [_described(repo) for repo in _repos(_scan(cache_dir))]
    return sorted(models, key=lambda model: model.name)


def pull(
    name: str,
    *,
    revision: str | None = None,
    variant: str | None = None,
    token: str | bool | None = None,
    cache_dir: PathLike | None = None,
) -> CachedModel:
    """Fetch what loading a model of the hub takes, so that it works offline from then on.

    Raises:
        RequestError: `name` is a folder or the built-in model.
        ModelNotFoundError: The hub does not have it or cannot be reached.
    """
    source = locate(
        name, revision=revision, variant=variant, token=token, cache_dir=cache_dir, pulling=True
    )
    if source.commit is None:
        raise RequestError(f"{name} is here already ({source.folder}); give OWNER/NAME of the hub.")
    (found,) = (model for model in list_cached_models(cache_dir) if model.name == source.name)
    return CachedModel(found.name, source.commit, found.size, found.last_used, source.folder)


def remove_cached_model(name: str, *, cache_dir: PathLike | None = None) -> int:
    """Remove a model, all its revisions, from the cache, and return the number of bytes freed.

    Raises:
        UnknownNameError: The cache has no model of exactly this name; the nearest are named.
        OutputError: It could not be removed.
    """
    cache = _scan(cache_dir)
    by_name = {repo.repo_id: repo for repo in _repos(cache)}
    if cache is None or name not in by_name:
        hint = nearest(name, by_name) if by_name else " The cache is empty."
        raise UnknownNameError(f"the cache has no model {shown(name)}.{hint}")
    repo = by_name[name]
    # The library deletes by commit, and a copy of a model may share its commits: show it this one.
    alone = replace(cache, repos=frozenset({repo}))
    strategy = alone.delete_revisions(*(revision.commit_hash for revision in repo.revisions))
    try:
        strategy.execute()
    except OSError as error:
        raise OutputError(f"cannot remove {repo.repo_path}: {error.strerror}.") from None
    if repo.repo_path.exists():
        raise OutputError(f"cannot remove {repo.repo_path}; is it another user's?")
    return strategy.expected_freed_size


def _scan(cache_dir: PathLike | None) -> HFCacheInfo | None:
    try:
        return scan_cache_dir(None if cache_dir is None else Path(cache_dir))
    except CacheNotFound:
        return None
    except (OSError, ValueError) as error:  # a branch's file that holds no commit
        raise CheckpointError(f"the cache of models cannot be read: {reason(error)}") from None


def _repos(cache: HFCacheInfo | None) -> list[CachedRepoInfo]:
    if cache is None:
        return []
    return [repo for repo in cache.repos if repo.repo_type == "model" and repo.revisions]


def _described(repo: CachedRepoInfo) -> CachedModel:
    newest = max(repo.revisions, key=lambda revision: revision.last_modified)
    revision = repo.refs.get("main", newest)
    used = datetime.fromtimestamp(repo.last_accessed)
    return CachedModel(
        repo.repo_id, revision.commit_hash, repo.size_on_disk, used, revision.snapshot_path
    )
