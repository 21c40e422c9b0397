"""Folders that options name."""

import os
from collections.abc import Sequence
from pathlib import Path

from kakusan.errors import RequestError, shown_path


def read_folders(option: str, given: Sequence[str] | None) -> list[str]:
    """The folders that were typed for an option, each of which is there and can be read.

    Raises:
        RequestError: One is none.
    """
    return [_folder(option, each) for each in given or ()]


def _folder(option: str, typed: str) -> str:
    try:
        path = Path(typed).expanduser()
        is_there, is_folder = path.exists(), path.is_dir() and typed != ""
    except (OSError, ValueError, RuntimeError):  # too long, a NUL byte, an unknown ~user
        raise RequestError(f"{option}: there is no folder {shown_path(typed)}") from None
    if is_folder and os.access(path, os.R_OK | os.X_OK):
        return str(path)
    if is_folder:
        raise RequestError(f"{option}: {shown_path(typed)} cannot be read: permission denied")
    if is_there and typed:
        raise RequestError(f"{option}: {shown_path(typed)} is a file; give the folder it is in")
    raise RequestError(f"{option}: there is no folder {shown_path(typed)}")
