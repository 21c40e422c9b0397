"""One server to one file: a lock that the system takes away when the process ends."""

import os
from contextlib import suppress
from pathlib import Path

from kakusan.checkpoints.locking import lock
from kakusan.errors import InputError, shown_path


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
            lock(self._descriptor)
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
