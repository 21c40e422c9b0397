"""A folder on a disk of this machine."""

import os
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kakusan.batch.storage.storage import STATE
from kakusan.checkpoints.files import replace_file, sync
from kakusan.checkpoints.locking import lock
from kakusan.errors import InputError, OutputError, shown_path

_NEW = f"{STATE}/new"


class LocalStorage:
    """Held by one process at a time, until it closes it or ends.

    Files are written under a name of their own first, which is always the same: `checkpoints.files`
    would look for left-over ones among a million pictures each time.

    Raises:
        OutputError: The folder cannot be made.
        InputError: Another process holds it.
    """

    appends_slowly = False

    def __init__(self, folder: Path) -> None:
        self.where, self.folder = str(folder), folder
        self._lock = -1
        with self._spoken(STATE):
            (folder / STATE).mkdir(parents=True, exist_ok=True)
            if sys.platform == "win32":  # which opens no folders
                self._lock = os.open(folder / STATE / "lock", os.O_RDWR | os.O_CREAT)
            else:
                self._lock = os.open(folder / STATE, os.O_RDONLY)
        try:
            lock(self._lock)
        except BlockingIOError:
            self.close()
            raise InputError(
                f"{shown_path(folder)} is in use by another run; wait for it, or name another"
            ) from None
        except OSError:  # a file system without locks
            self.close()

    def names(self, folder: str = "") -> set[str]:
        try:
            return set(os.listdir(self.folder / folder))
        except (FileNotFoundError, NotADirectoryError):
            return set()

    def exists(self, name: str) -> bool:
        return (self.folder / name).is_file()

    def read(self, name: str) -> bytes | None:
        try:
            return (self.folder / name).read_bytes()
        except FileNotFoundError:
            return None

    def write(self, name: str, data: bytes) -> None:
        with self.writing(name) as path:
            path.write_bytes(data)

    @contextmanager
    def writing(self, name: str) -> Generator[Path]:
        new, final = self.folder / _NEW, self.folder / name
        with self._spoken(name):
            new.unlink(missing_ok=True)
            yield new
            sync(new)
            final.parent.mkdir(parents=True, exist_ok=True)
            replace_file(new, final)
            sync(final.parent)

    @contextmanager
    def opened(self, name: str) -> Generator[Path]:
        yield self.folder / name

    def remove(self, name: str) -> None:
        with self._spoken(name):
            (self.folder / name).unlink(missing_ok=True)

    def append(self, name: str, data: bytes) -> None:
        with self._spoken(name), (self.folder / name).open("ab") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())

    def lines(self, name: str) -> Iterator[bytes]:
        path = self.folder / name
        if not path.is_file():
            return
        whole = 0
        with path.open("rb") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    break
                whole += len(line)
                yield line
        if whole < path.stat().st_size:
            self._truncate(path, whole)

    def cut(self, name: str, lines: int) -> None:
        path, size = self.folder / name, 0
        with path.open("rb") as file:
            for _ in range(lines):
                size += len(file.readline())
        self._truncate(path, size)

    def _truncate(self, path: Path, size: int) -> None:
        with self._spoken(path.name), path.open("r+b") as file:
            file.truncate(size)
            os.fsync(file.fileno())

    def join(self, name: str) -> None:
        if not self.exists(name):  # nothing was appended
            self.write(name, b"")

    def close(self) -> None:
        with suppress(OSError):
            (self.folder / _NEW).unlink(missing_ok=True)
        if self._lock >= 0:
            os.close(self._lock)
        self._lock = -1

    @contextmanager
    def _spoken(self, name: str) -> Generator[None]:
        try:
            yield
        except OSError as error:
            raise OutputError(
                f"cannot write {shown_path(self.folder / name)}: {error.strerror or error}"
            ) from None
