"""A model of the hub that is asked for, and what the cache holds of it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from huggingface_hub import constants
from huggingface_hub.file_download import repo_folder_name

from kakusan.checkpoints.contents import Wanted, files_of, missing_from, variants
from kakusan.checkpoints.files import stays_within
from kakusan.errors import CheckpointError


@dataclass(frozen=True)
class HubRequest:
    """A model of the hub and how to reach it.

    Attributes:
        file: the one file of it that is wanted; None for all that loading takes.
        pulling: whether the user asks for the fetching itself.
        tell: is told the bytes that are there, and those of all, while it is pulled.
    """

    name: str
    wanted: Wanted
    revision: str | None = None
    token: str | bool | None = None
    cache_dir: Path | None = None
    local_files_only: bool = False
    force_download: bool = False
    pulling: bool = False
    file: str | None = None
    tell: Callable[[int, int], object] | None = None


def cached_snapshot(request: HubRequest) -> Path | None:
    """The folder of the wanted revision in the cache, whole or not, or None."""
    model = model_folder(request)
    revision = request.revision or constants.DEFAULT_REVISION
    if not stays_within(revision):
        return None
    try:
        reference = model / "refs" / revision
        commit = reference.read_text(encoding="utf-8").strip() if reference.is_file() else revision
        if not stays_within(commit) or len(Path(commit).parts) != 1:
            return None
        snapshot = model / "snapshots" / commit
        return snapshot if snapshot.is_dir() else None
    except (OSError, ValueError):  # a name too long, a NUL byte, a broken reference
        return None


def held_otherwise(request: HubRequest) -> list[str]:
    """What else of this model the cache has whole, as arguments: `variant="fp16"`."""
    refs = model_folder(request) / "refs"
    try:
        files = [path for path in refs.rglob("*") if path.is_file()]
    except OSError:  # a name too long, a folder that may not be read
        return []
    names = sorted(path.relative_to(refs).as_posix() for path in files)
    found: list[str] = []
    for revision in names:
        other = replace(request, revision=revision)
        snapshot = cached_snapshot(other)
        if snapshot is None:
            continue
        for variant in (None, *sorted(variants(files_of(snapshot)))):
            wanted = replace(request.wanted, variant=variant)
            if _is_whole(snapshot, wanted):
                found.append(_arguments(revision, variant))
    return found


def model_folder(request: HubRequest) -> Path:
    """Where the cache keeps a model, whether it does or not."""
    cache = Path(request.cache_dir or constants.HF_HUB_CACHE).expanduser()
    return cache / repo_folder_name(repo_id=request.name, repo_type="model")


def _is_whole(snapshot: Path, wanted: Wanted) -> bool:
    try:
        return not missing_from(snapshot, wanted)
    except CheckpointError:
        return False


def _arguments(revision: str, variant: str | None) -> str:
    named = {"revision": revision, "variant": variant}
    if revision == constants.DEFAULT_REVISION:
        del named["revision"]
    given = [f'{name}="{value}"' for name, value in named.items() if value is not None]
    missing = [name for name in ("revision", "variant") if name not in named or not named[name]]
    with_them = f"with {' and '.join(given)}" if given else ""
    without = f"without {' and '.join(missing)}" if missing else ""
    return " ".join(filter(None, (with_them, without)))
