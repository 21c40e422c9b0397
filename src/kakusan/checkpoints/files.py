"""Reading published JSON, and writing files that appear whole or not at all."""

import errno
import json
import os
import sys
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from safetensors import SafetensorError

from kakusan.checkpoints.file_names import unusable
from kakusan.checkpoints.regular import read_regular
from kakusan.checkpoints.staging import staged
from kakusan.errors import CheckpointError, InputError, OutputError, shown_path

JSON: TypeAlias = "bool | int | float | str | list[JSON] | dict[str, JSON] | None"

# Takes the bytes that are there, and those of all files
OnBytes: TypeAlias = Callable[[int, int], object]

# The largest published file (a tokenizer.json) has about 4 MB.
MAX_JSON_BYTES = 64 * 2**20

# What file systems of other systems and of networks say when a folder is to be synced
_NOT_FOR_FOLDERS = (errno.EINVAL, errno.ENOTSUP, errno.EBADF)
_WAITS = (0.01, 0.05, 0.2, 0.7)  # seconds


def read_json(path: Path) -> dict[str, JSON]:
    """Read a file that holds one JSON object.

    Raises:
        CheckpointError: The file is absent, unreadable, larger than 64 MiB, not JSON (the message
            has line and column), nested too deep, or not an object.
    """
    try:
        value: JSON = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise CheckpointError(
            f"{path} is not JSON: {error.msg} at line {error.lineno}, column {error.colno}."
        ) from None
    except RecursionError:
        raise CheckpointError(f"{path} is not a model's JSON: nested too deep.") from None
    except CheckpointError:
        raise
    except ValueError as error:  # an integer of thousands of digits
        raise CheckpointError(f"{path} is not a model's JSON: {error}.") from None
    if not isinstance(value, dict):
        raise CheckpointError(f"{path} must hold a JSON object, not {describe(value)}.")
    return value


def read_text(path: Path) -> str:
    """Read a text file of a model.

    Raises:
        CheckpointError: It is absent, unreadable, no plain file, larger than 64 MiB, not UTF-8.
    """
    if not path.exists():
        raise CheckpointError(f"{path} does not exist.")
    try:
        return read_regular(path, most_bytes=MAX_JSON_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CheckpointError(f"{path} is not UTF-8 text: byte {error.start}.") from None
    except InputError as error:
        raise CheckpointError(f"{error}.") from None


def file_names(folder: Path) -> set[str]:
    """The plain files in a folder; none where there is no such folder.

    Raises:
        CheckpointError: The folder cannot be read.
    """
    try:
        if not folder.is_dir():
            return set()
        return {entry.name for entry in folder.iterdir() if entry.is_file()}
    except OSError as error:
        raise CheckpointError(f"{shown_path(folder)} cannot be read: {error.strerror}.") from None


def describe(value: JSON) -> str:
    """The value as JSON for a message, cut to a readable length."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (RecursionError, ValueError):  # nested too deep, or thousands of digits
        return f"a {type(value).__name__}"
    text = text.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= 60 else f"{text[:57]}..."


@contextmanager
def atomic(path: Path) -> Generator[Path, None, None]:
    """Give a temporary path to write to; on success it becomes `path`, synced.

    The folder is made if need be. Whatever goes wrong inside, `path` is as it was before and the
    temporary file is gone. What a killed process left beside `path` is removed.

    Raises:
        OutputError: The folder cannot be made or written, or the disk is full.
    """
    with _spoken(path), staged(path.parent) as temporary:
        mode = temporary.stat().st_mode
        yield temporary
        temporary.chmod(mode)  # safetensors makes it readable by its owner only
        sync(temporary)
        replace_file(temporary, path)
        sync(path.parent)


def write_new(paths: Iterable[Path], data: bytes) -> Path:
    """Write a whole file under the first of `paths` that is free, and return that one.

    No file is ever replaced, and none has its final name before it is whole: two programs never
    get the same name, and a killed one leaves none behind.

    Raises:
        OutputError: A folder cannot be made or written, or the disk is full.
    """
    for path in paths:
        if os.path.lexists(path):
            continue
        with _spoken(path), staged(path.parent) as temporary:
            temporary.write_bytes(data)
            sync(temporary)
            if _named(temporary, path):
                sync(path.parent)
                return path
    raise OutputError("none of the names is free")


def _named(temporary: Path, path: Path) -> bool:
    """Give a file its name unless that is taken."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    except OSError:  # a file system without links, such as a memory card's
        try:
            path.touch(exist_ok=False)
        except FileExistsError:
            return False
        replace_file(temporary, path)
    return True


def replace_file(source: Path, target: Path) -> None:
    """Give a file another's name, whose place it takes.

    On Windows a virus scanner or the like may have either of them open for a moment.
    """
    for wait in _WAITS if sys.platform == "win32" else ():
        try:
            os.replace(source, target)
        except PermissionError:
            time.sleep(wait)
        else:
            return
    os.replace(source, target)


@contextmanager
def _spoken(path: Path) -> Generator[None]:
    """Turn what writing `path` raises into one line, and a name that no file can have."""
    if why := unusable(path.name):
        raise OutputError(f"cannot write {path}: {why}.")
    try:
        yield
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}.") from None
    except SafetensorError as error:  # what its writer makes of an OSError
        raise OutputError(f"cannot write {path}: {error}.") from None


def sync(path: Path) -> None:
    """Have the disk hold what was written to a file, or which names a folder has."""
    is_folder = path.is_dir()
    if sys.platform == "win32" and is_folder:
        return  # Windows does it by itself, and opens no folder
    descriptor = os.open(path, os.O_RDWR if sys.platform == "win32" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if not is_folder or error.errno not in _NOT_FOR_FOLDERS:
            raise
    finally:
        os.close(descriptor)


def write_bytes(path: Path, data: bytes) -> None:
    """Write a whole file atomically. Raises `OutputError` as `atomic` does."""
    with atomic(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically, line ends as given. Raises `OutputError` as `atomic` does."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Mapping[str, JSON]) -> None:
    """Write an object as published JSON is written: two spaces, sorted keys, a line end."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


def stays_within(name: str) -> bool:
    """Whether a path of this name is below the folder that it is looked up in."""
    path = Path(name)
    return not path.anchor and ".." not in path.parts
