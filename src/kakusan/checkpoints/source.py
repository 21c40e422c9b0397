"""From the name of a model to the local folder that holds its files."""

import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from kakusan.checkpoints.contents import Wanted, check_variant, files_of
from kakusan.checkpoints.files import OnBytes, stays_within
from kakusan.checkpoints.hub_file import WHOLE_MODEL, hub_file
from kakusan.checkpoints.saving import check_finished
from kakusan.errors import (
    CheckpointError,
    ModelNotFoundError,
    RequestError,
    listed,
    shown,
    shown_path,
)

PathLike: TypeAlias = str | os.PathLike[str]

BUILTIN = "builtin"
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
_ADDRESS = re.compile(r"(?:https?://)?(?:www\.)?(?:huggingface\.co|hf\.co)/(.+)")


@dataclass(frozen=True)
class Source:
    """Where a model's files are. `commit` is the hub's, None for a folder of one's own.

    `file` is the model where it is one file, which lies in `folder`.
    """

    name: str
    folder: Path
    commit: str | None
    file: Path | None = None


def locate(
    name: PathLike,
    *,
    subfolder: str | None = None,
    revision: str | None = None,
    variant: str | None = None,
    token: str | bool | None = None,
    cache_dir: PathLike | None = None,
    local_files_only: bool = False,
    force_download: bool = False,
    use_safetensors: bool | None = None,
    without: Collection[str] = (),
    pulling: bool = False,
    tell: OnBytes | None = None,
    files: bool = False,
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
        force_download: Fetch again what the cache has already.
        use_safetensors: False takes `.bin` weights, True refuses them, None prefers safetensors.
        without: Parts that are not wanted and so not fetched.
        pulling: Whether the user asks for the fetching itself, and no message advises it.
        tell: is told how far that has come.
        files: Whether a model may be a single file: one that is here, or OWNER/NAME/FILE of the
            hub, or its address.

    Raises:
        ModelNotFoundError: There is no such model here, in the cache or on the hub.
        CheckpointError: It has no such subfolder or variant.
        RequestError: A revision of what is not on the hub, or an argument of a wrong type.
    """
    if not isinstance(name, str | os.PathLike):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ModelNotFoundError(f"a model is named by a text or a path, not by {shown(name)}.")
    text = os.fspath(name)
    _check_texts({"revision": revision, "variant": variant}, str)
    _check_texts({"subfolder": subfolder, "cache_dir": cache_dir}, str, os.PathLike)
    wanted = Wanted(subfolder, variant, use_safetensors, frozenset(without))
    local = local_file(text) if files else None
    if local is not None:
        _check_of_a_file(text, revision, variant, subfolder)
        return Source(text, local.parent, None, local)
    on_hub = hub_file(text) if files and not _is_folder(Path(text)) else None
    if on_hub is not None:
        _check_of_a_file(text, None, variant, subfolder)
        from kakusan.checkpoints.fetching import fetch_file

        path, commit = fetch_file(
            on_hub,
            revision=revision,
            token=token,
            cache_dir=None if cache_dir is None else Path(cache_dir),
            local_files_only=local_files_only,
            force_download=force_download,
        )
        return Source(on_hub.name, path.parent, commit, path)
    if files:
        _check_is_no_file(text)
    local = _local_folder(text)
    if local is not None:
        if revision and revision != "main":
            raise RequestError(
                f"revision {shown(revision)} is asked of {shown(text)}, but only models of the "
                "Hugging Face Hub have revisions; leave it out, or give OWNER/NAME"
            )
        check_variant(text, files_of(local), wanted)
        folder = _within(local, subfolder, text)
        check_finished(folder)
        return Source(text, folder, None)
    if force_download and local_files_only:
        raise RequestError("force_download asks the hub, local_files_only does not; give one")
    hub_id = _hub_id(text)
    if subfolder and not stays_within(subfolder):
        raise CheckpointError(f"{hub_id} has no subfolder {shown(subfolder)}.")
    # the hub's own library takes a tenth of a second to import, which local models do not need
    from kakusan.checkpoints.fetching import HubRequest, fetch_model

    name, snapshot = fetch_model(
        HubRequest(
            name=hub_id,
            wanted=wanted,
            revision=revision,
            token=token,
            cache_dir=None if cache_dir is None else Path(cache_dir),
            local_files_only=local_files_only,
            force_download=force_download,
            pulling=pulling,
            tell=tell,
        )
    )
    return Source(name, _within(snapshot, subfolder, name), snapshot.name)


def local_file(text: str) -> Path | None:
    """The file that a name is of, where there is one here."""
    if text == BUILTIN:
        return None
    try:
        path = Path(text).expanduser()
        return path if path.is_file() else None
    except (OSError, ValueError, RuntimeError):
        return None


def _check_is_no_file(text: str) -> None:
    """Say of what looks like a file, and is none, that it is not there."""
    cut = Path(text.partition("?")[0])
    if _is_folder(Path(text)):
        return
    if re.match(r"[A-Za-z]+://", text) and _ADDRESS.fullmatch(text) is None:
        raise ModelNotFoundError(
            f"{shown(text)} is not an address of the Hugging Face Hub; fetch the file yourself, "
            "and give its path"
        )
    if cut.suffix in WHOLE_MODEL:
        raise ModelNotFoundError(f"there is no file {shown_path(text)}.")


def _check_of_a_file(
    text: str, revision: str | None, variant: str | None, subfolder: str | None
) -> None:
    """Refuse what is only said of models of several files."""
    for name, value in (("revision", revision), ("variant", variant), ("subfolder", subfolder)):
        if value and (name, value) != ("revision", "main"):
            raise RequestError(
                f"{name} {shown(value)} is asked of {shown(text)}, which is a single file; leave "
                "it out"
            )


def _check_texts(given: Mapping[str, object], *kinds: type) -> None:
    for argument, value in given.items():
        if value is not None and not isinstance(value, kinds):
            raise RequestError(f"{argument} must be a text, not {shown(value)}")


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
        raise CheckpointError(f"{text} is a file; {_instead_of_a_file(path)}.")
    return path if is_folder else None


def _instead_of_a_file(path: Path) -> str:
    if path.suffix not in WHOLE_MODEL:
        return "a model is a folder with model_index.json"
    if any((folder / "model_index.json").is_file() for folder in path.parents[:2]):
        return "give the folder that holds model_index.json"
    return "a part without weights is loaded from a folder, not from a single file"


def _hub_id(text: str) -> str:
    cut = text if len(text) <= 80 else f"{text[:77]}..."
    address = _ADDRESS.fullmatch(text)
    owner_and_name = "/".join(address[1].split("/")[:2]) if address else text
    if Path(cut).suffix in WHOLE_MODEL:
        advice = _instead_of_a_file(Path(Path(cut).name))
    elif not is_hub_id(owner_and_name):
        advice = (
            f"a model is {BUILTIN!r}, an existing folder, or OWNER/NAME on the Hugging Face Hub, "
            "such as CompVis/stable-diffusion-v1-4"
        )
    elif address is None:
        return text
    else:
        advice = f"give {owner_and_name!r} in place of its address"
    raise ModelNotFoundError(f"there is no model {cut!r}: {advice}.")


def is_hub_id(text: str) -> bool:
    """Whether a text has the form OWNER/NAME of a model on the hub."""
    if _HUB_ID.fullmatch(text) is None:
        return False
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(text)
    except HFValidationError:
        return False
    return True


def _within(folder: Path, subfolder: str | None, name: str) -> Path:
    if not subfolder:
        return folder
    if stays_within(subfolder) and _is_folder(folder / subfolder):
        return folder / subfolder
    found = listed(entry.name for entry in folder.iterdir() if entry.is_dir())
    raise CheckpointError(f"{name} has no subfolder {shown(subfolder)} (it has: {found}).")


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name too long
        return False
