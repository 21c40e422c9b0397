"""Opening a file that somebody else named: never a pipe that waits, a device or a folder."""

import os
import stat
from pathlib import Path
from typing import BinaryIO, cast

from kakusan.errors import InputError, shown_path


def open_regular(path: Path, *, most_bytes: int) -> BinaryIO:
    """Open a file for reading, if it is one and no larger than `most_bytes`.

    Raises:
        InputError: It is absent, a folder, a pipe or a device, too large, or may not be read.
    """
    try:
        _check_kind(path, path.stat())  # opening some devices already does something
        file = open(path, "rb", opener=_without_waiting)  # noqa: SIM115
    except FileNotFoundError:
        raise InputError(f"there is no file {shown_path(path)}") from None
    except PermissionError:
        raise InputError(f"{shown_path(path)} may not be read: permission denied") from None
    except InputError:
        raise
    except (OSError, ValueError) as error:  # a loop of links, a name too long, a NUL byte in it
        why = getattr(error, "strerror", None) or error
        raise InputError(f"{shown_path(path)} cannot be read: {why}") from None
    try:
        found = os.fstat(file.fileno())
        _check_kind(path, found)
        if found.st_size > most_bytes:
            raise InputError(
                f"{shown_path(path)} has {found.st_size} bytes; at most {most_bytes} are read"
            )
    except BaseException:
        file.close()
        raise
    return cast(BinaryIO, file)


def read_regular(path: Path, *, most_bytes: int) -> bytes:
    """A whole file, as `open_regular` opens it.

    Raises:
        InputError: As `open_regular` does, or reading fails.
    """
    with open_regular(path, most_bytes=most_bytes) as file:
        try:
            return file.read(most_bytes)
        except OSError as error:
            why = error.strerror or error
            raise InputError(f"{shown_path(path)} cannot be read: {why}") from None


def _check_kind(path: Path, found: os.stat_result) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise InputError(f"{shown_path(path)} is a folder, not a file")
    if not stat.S_ISREG(found.st_mode):
        raise InputError(f"{shown_path(path)} is a pipe or a device, not a file")


def _without_waiting(path: str, flags: int) -> int:
    # a pipe that took the file's place since it was looked at would wait for a writer
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
