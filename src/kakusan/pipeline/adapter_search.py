"""Where the adapters are that a request names: among the files that the user named or keeps."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from kakusan.checkpoints.adapters.finding import find_adapters, nearest_adapters
from kakusan.checkpoints.adapters.refusals import check_is_adapter
from kakusan.checkpoints.facts import hashes_of
from kakusan.checkpoints.own import IP_ADAPTER, own
from kakusan.checkpoints.single_file.opening import open_tensor_file
from kakusan.checkpoints.source import PathLike, local_file
from kakusan.errors import ArgumentError, InputError, listed, shown, shown_path
from kakusan.pipeline.adapter_files import USUAL_NAMES, files_in, local_folder
from kakusan.pipeline.parsed_prompts import names_in
from kakusan.request import Request
from kakusan.request.loras import LoraFile

# Folders of adapters, parted as in PATH, where a call names none
VARIABLE = "KAKUSAN_LORA_DIR"


def located(request: Request, folders: Sequence[PathLike] | None, *, trusted: bool) -> Request:
    """A request that says of every adapter which file it is.

    Args:
        folders: in which names are looked for, with all below them; those of the environment
            variable KAKUSAN_LORA_DIR where none are given.
        trusted: whether the request may name files itself; a stranger's record may not.

    Raises:
        ArgumentError: One is nowhere, or the file is another than the request tells of.
        CheckpointError: A file is broken, or is something else.
    """
    names = dict.fromkeys([*(lora.name for lora in request.loras or ()), *names_in(request)])
    if not names:
        return request
    where, said = adapter_folders(folders), request.lora_files or {}
    files = {name: _file(name, said.get(name), where, trusted=trusted) for name in names}
    return replace(request, lora_files=files)


def adapter_folders(given: Sequence[PathLike] | None) -> list[Path]:
    """The folders that are given, or else those of the environment variable.

    Raises:
        ArgumentError: One is none.
    """
    if given is None:
        given = [each for each in os.environ.get(VARIABLE, "").split(os.pathsep) if each]
    if isinstance(given, str | os.PathLike):
        given = [given]
    folders = [Path(each).expanduser() for each in given]
    for folder in folders:
        if not folder.is_dir():
            raise ArgumentError("{lora_dirs}: there is no folder {0}", shown_path(folder))
    return folders


def _file(name: str, said: LoraFile | None, folders: Sequence[Path], *, trusted: bool) -> LoraFile:
    path = local_file(name if said is None else said.path) if trusted else None
    if path is None and said is None and trusted:
        _check_no_folder(name)
    if path is None:
        path = _named(name, said, folders)
    if path is None:
        raise no_such_adapter(name, folders, said)
    found = LoraFile(str(path), None if said is None else said.sha256)
    check_hash(name, found)
    status = path.stat()
    _check_kind(path, status.st_mtime_ns, status.st_size)
    return found


@lru_cache(maxsize=64)
def _check_kind(path: Path, modified: int, size: int) -> None:  # noqa: ARG001
    """Say what a file is that is no adapter, before a model is loaded for it."""
    check_is_adapter(open_tensor_file(path).entries, shown_path(path))


def _check_no_folder(name: str) -> None:
    """Say of a folder that a file in it is wanted."""
    path = local_folder(name)
    if path is not None:
        held = listed(each.name for each in files_in(path))
        raise ArgumentError(
            "the adapter {0} is a folder; give a file in it ({1}), or with {lora_dirs} the folder "
            "and here the file's name",
            shown_path(name),
            held,
        )


def _named(name: str, said: LoraFile | None, folders: Sequence[Path]) -> Path | None:
    """The file in the folders that is called so; one of the hash that is told first."""
    full = (name, *([] if said is None else [said.path]))
    found = find_adapters([*full, *map(_last, full)], folders)
    if said is not None and said.sha256 is not None:
        found.sort(key=lambda file: hash_of_file(file) != said.sha256)
    return found[0] if found else None


def _last(name: str) -> str:
    """Of a path of any system the file; of another name all of it."""
    last = re.split(r"[\\/]", name)[-1]
    return name if last in USUAL_NAMES else last


def no_such_adapter(
    name: str, folders: Sequence[Path], said: LoraFile | None = None
) -> ArgumentError:
    """The error for an adapter that is nowhere."""
    places = f" in {listed(shown_path(each) for each in folders)}" if folders else ""
    return ArgumentError(
        "there is no adapter {0}{1}{2}; give its file, or with {lora_dirs} the folder "
        "that it is in{3}",
        shown(name),
        _known(said),
        places,
        f".{near}" if (near := nearest_adapters(name, folders)) else "",
    )


def not_loaded(name: str, said: LoraFile | None = None) -> ArgumentError:
    """The error for an adapter that a pipeline, which looks in no folders, has not loaded."""
    return ArgumentError(
        "there is no adapter {0}{1}; load it before, "
        "pipe.load_lora_weights(FILE, adapter_name={0}), or name its file",
        shown(name),
        _known(said),
    )


def _known(said: LoraFile | None) -> str:
    """Which file an adapter was, where that is told."""
    if said is None:
        return ""
    known = f", which was the file {shown_path(said.path)}"
    return known if said.sha256 is None else f"{known} (SHA-256 {said.sha256[:10]}...)"


def with_hashes(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record whose files of adapters have their hashes, as far as they are here."""
    record = dict(record)
    if prompts := record.get("image_prompts"):
        files = [own(each["model"], IP_ADAPTER) if "model" in each else None for each in prompts]
        hashes = [None if file is None else hash_of_file(file) for file in files]
        record["image_prompts"] = [
            each if digest is None else {**each, "sha256": digest}
            for each, digest in zip(prompts, hashes, strict=True)
        ]
    files = record.get("lora_files")
    if not files:
        return record
    return {**record, "lora_files": {name: _hashed(each) for name, each in files.items()}}


def _hashed(file: Mapping[str, Any]) -> dict[str, Any]:
    """With its SHA-256 and, if it has one, what AUTOMATIC1111 tells it by, of the same reading."""
    found = _hashes(file["path"])
    short = {"lora_hash": found["lora hash"]} if "lora hash" in found else {}
    return {**file, "sha256": found.get("sha256"), **short}


def check_hash(name: str, file: LoraFile) -> None:
    """Raise ArgumentError where a file is not the one that a record tells of."""
    if file.sha256 is not None and hash_of_file(file.path) not in (None, file.sha256):
        raise ArgumentError(
            "the adapter {0}: {1} is another file than the one that the record tells of, whose "
            "SHA-256 begins with {2}; give the folder of that one with {lora_dirs}",
            shown(name),
            shown_path(file.path),
            file.sha256[:10],
        )


def hash_of_file(path: PathLike) -> str | None:
    """Its SHA-256; None where it is not there."""
    return _hashes(path).get("sha256")


def _hashes(path: PathLike) -> Mapping[str, str]:
    try:
        status = Path(path).stat()
        return _hashes_of(os.fspath(path), status.st_mtime_ns, status.st_size)
    except (OSError, InputError):
        return {}


@lru_cache(maxsize=64)
def _hashes_of(path: str, modified: int, size: int) -> Mapping[str, str]:  # noqa: ARG001
    """The hashes of a file, which is read once as long as it stays the same."""
    return hashes_of(Path(path))
