"""One server to one file: a lock that the system takes away when the process ends."""

import os
import sys
from contextlib import suppress
from pathlib import Path

from kakusan.errors import InputError, shown_path

_BEYOND = 1 << 20  # of a file's bytes, one that nobody reads: Windows locks those for readers too


class FileLock:
    """Held from its making until `release`, or the end of the process.

    Raises:
        InputError: Another process holds it, or the folder cannot be written.
    """

    def __init__(self, path: Path) -> None:
        beside = path.with_name(f"{path.name}.lock")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(beside, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise InputError(
                f"{shown_path(path.parent)} cannot be written: {error.strerror}."
            ) from None
        try:
            _take(self._descriptor)
        except BlockingIOError:
            holder = os.read(self._descriptor, 20).decode("ascii", "replace").strip()
            os.close(self._descriptor)
            raise InputError(
                f"{shown_path(path)} is in use by another server (process {holder or 'unknown'}); "
                "stop that one, name another folder, or use Postgres for several"
            ) from None
        except OSError as error:
            os.close(self._descriptor)
            raise InputError(
                f"{shown_path(path)} cannot be locked ({error.strerror}): SQLite needs a local disk"
            ) from None
        with suppress(OSError):  # a full disk; the number is for people only
            os.ftruncate(self._descriptor, 0)
            os.write(self._descriptor, f"{os.getpid()}\n".encode())

    def release(self) -> None:
        """Let the next process have it; once is enough."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1


def _take(descriptor: int) -> None:
    """Lock an open file until it is closed.

    Raises:
        BlockingIOError: Another process has it.
        OSError: Nothing can be locked on this disk.
    """
    if sys.platform == "win32":
        import msvcrt

        os.lseek(descriptor, _BEYOND, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except PermissionError as error:
            raise BlockingIOError(error.errno, error.strerror) from None
        finally:
            os.lseek(descriptor, 0, os.SEEK_SET)
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
