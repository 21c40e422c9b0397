"""From the name of a model to the local folder that holds its files."""

import os
import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from kakusan.checkpoints.contents import Wanted, check_variant, files_of, lacking
from kakusan.checkpoints.hub import MOVED, HubRequest, cached_snapshot, fetch, logger
from kakusan.errors import CheckpointError, ModelNotFoundError

PathLike: TypeAlias = str | os.PathLike[str]

BUILTIN = "builtin"
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True)
class Source:
    """Where a model's files are. `commit` is the hub's, None for a folder of one's own."""

    name: str
    folder: Path
    commit: str | None


def locate(
    name: PathLike,
    *,
    subfolder: str | None = None,
    revision: str | None = None,
    variant: str | None = None,
    token: str | bool | None = None,
    cache_dir: PathLike | None = None,
    local_files_only: bool = False,
    use_safetensors: bool | None = None,
    without: Collection[str] = (),
) -> Source:
    """Find a model, fetching from the hub only what loading it takes and the cache lacks.

    Args:
        name: "builtin", an existing folder, or OWNER/NAME on the Hugging Face Hub, in this order.
        subfolder: One part of it; `Source.folder` is then that folder.
        revision: A branch, tag or commit on the hub.
        variant: Weights such as "fp16", where a part has them.
        token: For private and gated models; None takes the one that `hf auth login` stored.
        cache_dir: Instead of the hub's usual cache.
        local_files_only: Do not ask the hub.
        use_safetensors: False takes `.bin` weights, True refuses them, None prefers safetensors.
        without: Parts that are not wanted and so not fetched.

    Raises:
        ModelNotFoundError: There is no such model here, in the cache or on the hub.
        CheckpointError: It has no such subfolder or variant.
    """
    if not isinstance(name, str | os.PathLike):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ModelNotFoundError(f"a model is named by a text or a path, not by {name!r:.60}.")
    text = os.fspath(name)
    wanted = Wanted(subfolder, variant, use_safetensors, frozenset(without))
    local = _local_folder(text)
    if local is not None:
        check_variant(text, files_of(local), wanted)
        return Source(text, _within(local, subfolder, text), None)
    request = HubRequest(
        name=_hub_id(text),
        wanted=wanted,
        revision=revision,
        token=token,
        cache_dir=None if cache_dir is None else Path(cache_dir),
        local_files_only=local_files_only,
    )
    request = _living(request)
    snapshot = fetch(request)
    check_variant(request.name, files_of(snapshot), wanted)
    return Source(request.name, _within(snapshot, subfolder, request.name), snapshot.name)


def _local_folder(text: str) -> Path | None:
    if text == BUILTIN:
        folder = Path(__file__).parents[1] / "builtin" / "model"
        if not folder.is_dir():
            raise ModelNotFoundError(f"this installation lacks the built-in model ({folder}).")
        return folder
    try:
        path = Path(text).expanduser()
        is_file, is_folder = path.is_file(), bool(text) and path.is_dir()
    except (OSError, ValueError, RuntimeError):  # too long, a NUL byte, an unknown ~user
        return None
    if is_file:
        raise CheckpointError(f"{text} is a file; a model is a folder with model_index.json.")
    return path if is_folder else None


def _hub_id(text: str) -> str:
    if _HUB_ID.fullmatch(text) and ".." not in text and "--" not in text and len(text) <= 96:
        return text
    shown = text if len(text) <= 80 else f"{text[:77]}..."
    raise ModelNotFoundError(
        f"there is no model {shown!r}: a model is {BUILTIN!r}, an existing folder, or OWNER/NAME "
        "on the Hugging Face Hub."
    )


def _living(request: HubRequest) -> HubRequest:
    """The same request for the living copy, if the address is dead and not in the cache."""
    copy = MOVED.get(request.name)
    cached = cached_snapshot(request)
    if copy is None or (cached is not None and not lacking(cached, request.wanted)):
        return request
    logger.warning("%s is gone from the hub; using its copy %s.", request.name, copy)
    return replace(request, name=copy)


def _within(folder: Path, subfolder: str | None, name: str) -> Path:
    if not subfolder:
        return folder
    inside = ".." not in Path(subfolder).parts and not Path(subfolder).is_absolute()
    if inside and (folder / subfolder).is_dir():
        return folder / subfolder
    found = ", ".join(sorted(entry.name for entry in folder.iterdir() if entry.is_dir()))
    raise CheckpointError(f"{name} has no subfolder {subfolder!r} (it has: {found or 'none'}).")
