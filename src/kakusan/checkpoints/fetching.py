"""What the hub is asked for: a model, or one file of it; from the cache where that has it."""

import os
from dataclasses import replace
from pathlib import Path

from huggingface_hub import constants, hf_hub_download, try_to_load_from_cache

from kakusan.checkpoints.contents import Wanted, lacking
from kakusan.checkpoints.hub import FAILURES, MOVED, fetch, logger, why
from kakusan.checkpoints.hub_file import HubFile
from kakusan.checkpoints.snapshots import HubRequest as HubRequest
from kakusan.checkpoints.snapshots import cached_snapshot
from kakusan.errors import CheckpointError, ModelNotFoundError, OutputError, shown


def fetch_model(request: HubRequest) -> tuple[str, Path]:
    """The name that a model has now, and the folder in the cache that holds it.

    Raises:
        ModelNotFoundError: The hub does not have it or cannot be reached, and neither has the
            cache.
    """
    request = living(request)
    return request.name, fetch(request)


def living(request: HubRequest) -> HubRequest:
    """The same request for the living copy, if the address is dead and not in the cache."""
    copy = MOVED.get(request.name)
    cached = cached_snapshot(request)
    if copy is None or (cached is not None and not lacking(cached, request.wanted)):
        return request
    logger.warning("%s is gone from the hub; using its copy %s.", request.name, copy)
    return replace(request, name=copy)


def fetch_file(
    file: HubFile,
    *,
    revision: str | None = None,
    token: str | bool | None = None,
    cache_dir: Path | None = None,
    local_files_only: bool = False,
    force_download: bool = False,
) -> tuple[Path, str]:
    """Where a file is in the cache, after fetching it if need be, and its commit.

    Raises:
        ModelNotFoundError: The hub does not have it or cannot be reached, and neither has the
            cache.
        OutputError: It cannot be kept.
    """
    wanted = revision or file.revision or constants.DEFAULT_REVISION
    cached = _cached(file, wanted, cache_dir)
    if local_files_only or constants.HF_HUB_OFFLINE:
        return _held(file, wanted, cached, "the hub is not asked (offline)")
    repo = file.repo if cached else MOVED.get(file.repo, file.repo)
    try:
        path = hf_hub_download(
            repo,
            file.path,
            revision=wanted,
            token=token,
            cache_dir=cache_dir,
            force_download=force_download,
            endpoint=os.environ.get("HF_ENDPOINT") or None,
        )
    except FAILURES as error:
        if isinstance(error, OSError) and error.errno and not isinstance(error, ConnectionError):
            raise OutputError(f"cannot keep {file.name} in the cache: {error}.") from None
        request = HubRequest(file.repo, Wanted(), wanted)
        return _held(file, wanted, cached, why(request, error))
    return _with_commit(Path(path), file)


def cached_file(
    file: HubFile, revision: str | None = None, cache_dir: Path | None = None
) -> Path | None:
    """Where the cache has a file; None where it lacks it. The hub is not asked."""
    return _cached(file, revision or file.revision or constants.DEFAULT_REVISION, cache_dir)


def _cached(file: HubFile, revision: str, cache_dir: Path | None) -> Path | None:
    try:
        found = try_to_load_from_cache(file.repo, file.path, revision=revision, cache_dir=cache_dir)
    except (OSError, ValueError):  # a name too long, no name of a repository
        return None
    return Path(found) if isinstance(found, str) else None


def _held(file: HubFile, revision: str, cached: Path | None, reason: str) -> tuple[Path, str]:
    if cached is not None:
        logger.warning("%s: %s; using the copy in the cache.", file.name, reason)
        return _with_commit(cached, file)
    at = "" if revision == constants.DEFAULT_REVISION else f" at revision {shown(revision)}"
    raise ModelNotFoundError(
        f"cannot load {file.name}{at}: {reason}, and the cache lacks it. Do the same again while "
        "online, or give the path of a file"
    )


def _with_commit(path: Path, file: HubFile) -> tuple[Path, str]:
    depth = len(Path(file.path).parts)
    try:
        return path, path.parents[depth - 1].name
    except IndexError:
        raise CheckpointError(f"the cache has {file.name} at an odd place.") from None
