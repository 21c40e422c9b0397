"""The models in the hub's cache: listing, fetching and removing them."""

from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from huggingface_hub import scan_cache_dir
from huggingface_hub.errors import CacheNotFound
from huggingface_hub.utils import CachedRepoInfo, HFCacheInfo

from kakusan.checkpoints.contents import Wanted
from kakusan.checkpoints.fetching import living
from kakusan.checkpoints.files import OnBytes, stays_within
from kakusan.checkpoints.hub import fetch
from kakusan.checkpoints.selection import ENDINGS, is_weights
from kakusan.checkpoints.snapshots import HubRequest
from kakusan.checkpoints.source import PathLike, is_hub_id, locate
from kakusan.errors import (
    CheckpointError,
    ModelNotFoundError,
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
    tell: OnBytes | None = None,
) -> CachedModel:
    """Fetch what loading a model of the hub takes, so that it works offline from then on.

    A download that was broken off goes on where it was, and large files are checked by their
    SHA-256.

    Args:
        tell: is told the bytes that are there, and those of all large files.

    Raises:
        RequestError: `name` is a folder or the built-in model.
        ModelNotFoundError: The hub does not have it or cannot be reached.
        CheckpointError: What came is not what the hub says it has.
    """
    source = locate(
        name,
        revision=revision,
        variant=variant,
        token=token,
        cache_dir=cache_dir,
        pulling=True,
        tell=tell,
    )
    if source.commit is None:
        raise RequestError(f"{name} is here already ({source.folder}); give OWNER/NAME of the hub.")
    (found,) = (model for model in list_cached_models(cache_dir) if model.name == source.name)
    return CachedModel(found.name, source.commit, found.size, found.last_used, source.folder)


def pull_file(
    name: str,
    file: str,
    *,
    revision: str | None = None,
    token: str | bool | None = None,
    cache_dir: PathLike | None = None,
    tell: OnBytes | None = None,
) -> Path:
    """Fetch one file of a model of the hub, such as a checkpoint in a single file; where it lies.

    Raises:
        ModelNotFoundError: The hub does not have it or cannot be reached.
        CheckpointError: There is no such file, or what came is not what the hub says it has.
    """
    if not is_hub_id(name):
        raise ModelNotFoundError(f"there is no model {shown(name)} on the hub: give OWNER/NAME.")
    if not is_weights(file) or not stays_within(file):
        raise CheckpointError(
            f"{shown(file)} is no file of weights; their names end in {', '.join(ENDINGS)}."
        )
    request = HubRequest(
        name,
        Wanted(),
        revision=revision,
        token=token,
        cache_dir=None if cache_dir is None else Path(cache_dir),
        pulling=True,
        file=file,
        tell=tell,
    )
    return fetch(living(request)) / file


def remove_cached_model(name: str, *, cache_dir: PathLike | None = None) -> int:
    """Remove a model, all its revisions, or one file of it, and return the bytes freed.

    Args:
        name: OWNER/NAME, or OWNER/NAME/FILE.

    Raises:
        UnknownNameError: The cache has no model of exactly this name; the nearest are named.
        OutputError: It could not be removed.
    """
    cache = _scan(cache_dir)
    by_name = {repo.repo_id: repo for repo in _repos(cache)}
    owner_and_name, file = "/".join(name.split("/")[:2]), "/".join(name.split("/")[2:])
    if cache is not None and file and owner_and_name in by_name:
        return _remove_file(cache, by_name[owner_and_name], file)
    if cache is None or name not in by_name:
        hint = nearest(name, by_name) if by_name else " The cache is empty."
        raise UnknownNameError(f"the cache has no model {shown(name)}.{hint}")
    return _remove(cache, by_name[name])


def _remove(cache: HFCacheInfo, repo: CachedRepoInfo) -> int:
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


def _remove_file(cache: HFCacheInfo, repo: CachedRepoInfo, name: str) -> int:
    """Remove a file of all revisions, and the whole model where nothing else is left of it."""
    known = {
        file: file.file_path.relative_to(revision.snapshot_path).as_posix()
        for revision in repo.revisions
        for file in revision.files
    }
    gone = [file for file in known if known[file] == name]
    if not gone:
        few = nearest(name, filter(is_weights, known.values()))
        raise UnknownNameError(f"the cache has no file {shown(name)} of {repo.repo_id}.{few}")
    if len(gone) == len(known):
        return _remove(cache, repo)
    still = {file.blob_path for file in known if known[file] != name}
    freed = 0
    try:
        for file in gone:
            file.file_path.unlink(missing_ok=True)
            blob = file.blob_path
            # a link may lead out of the cache, to what is not ours to remove
            if blob in still or repo.repo_path.resolve() not in blob.parents or not blob.exists():
                continue
            freed += file.size_on_disk
            blob.unlink()
    except OSError as error:
        raise OutputError(f"cannot remove {name} of {repo.repo_id}: {error.strerror}.") from None
    return freed


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
