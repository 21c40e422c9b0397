"""A folder elsewhere, by the extra `remote`: whatever fsspec has a name for."""

import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kakusan.errors import OutputError, reason, shown

# Where a file is there at once, with all that is in it, when it has been sent
_AT_ONCE = frozenset(
    ("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "oss", "oci", "memory")
)
_PARTS = ".kakusan/{}.parts"


class RemoteStorage:
    """Files that are sent when they are whole. Others must not write to the folder meanwhile.

    Nothing can be written behind a file there: what is appended is kept in parts, until they are
    joined.

    Raises:
        OutputError: There is no such kind of place, or what speaks to it is not installed.
    """

    appends_slowly = True

    def __init__(self, url: str) -> None:
        import fsspec

        self.where = url
        try:
            found: Any = fsspec.core.url_to_fs(url)
        except (ImportError, ValueError, OSError) as error:
            raise OutputError(f"cannot write to {shown(url)}: {reason(error)}") from None
        self._fs, self._root = found[0], str(found[1]).rstrip("/")
        protocol = self._fs.protocol
        names = {protocol} if isinstance(protocol, str) else set(protocol)
        self._at_once = bool(names & _AT_ONCE)
        self._numbers: dict[str, int] = {}  # of the next part of each file

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}" if name else self._root

    def names(self, folder: str = "") -> set[str]:
        with self._spoken(folder):
            try:
                self._fs.invalidate_cache()
                found = self._fs.ls(self._path(folder), detail=False)
            except (FileNotFoundError, NotADirectoryError):
                return set()
            return {str(each).rstrip("/").rpartition("/")[2] for each in found} - {""}

    def exists(self, name: str) -> bool:
        with self._spoken(name):
            return bool(self._fs.isfile(self._path(name)))

    def read(self, name: str) -> bytes | None:
        with self._spoken(name):
            try:
                return bytes(self._fs.cat_file(self._path(name)))
            except FileNotFoundError:
                return None

    def write(self, name: str, data: bytes) -> None:
        with self.writing(name) as path:
            path.write_bytes(data)

    @contextmanager
    def writing(self, name: str) -> Generator[Path]:
        final = self._path(name)
        with tempfile.TemporaryDirectory(prefix="kakusan-") as folder:
            path = Path(folder) / "new"
            yield path
            with self._spoken(name):
                self._fs.makedirs(final.rpartition("/")[0], exist_ok=True)
                sent = final if self._at_once else f"{final}.sent"
                self._fs.put_file(str(path), sent)
                if not self._at_once:
                    self._fs.mv(sent, final)

    @contextmanager
    def opened(self, name: str) -> Generator[Path]:
        with tempfile.TemporaryDirectory(prefix="kakusan-") as folder:
            path = Path(folder) / name.rpartition("/")[2]
            with self._spoken(name):
                self._fs.get_file(self._path(name), str(path))
            yield path

    def remove(self, name: str) -> None:
        with self._spoken(name):
            try:
                self._fs.rm_file(self._path(name))
            except FileNotFoundError:
                return

    def append(self, name: str, data: bytes) -> None:
        parts = _PARTS.format(name)
        if name not in self._numbers:
            self._numbers[name] = len(self._parts(name))
        self.write(f"{parts}/{self._numbers[name]:08d}", data)
        self._numbers[name] += 1

    def lines(self, name: str) -> Iterator[bytes]:
        for part in [name] if self.exists(name) else self._parts(name):
            with self._spoken(part), self._fs.open(self._path(part), "rb") as file:
                yield from file

    def cut(self, name: str, lines: int) -> None:
        kept = [line for number, line in enumerate(self.lines(name)) if number < lines]
        for part in reversed(self._parts(name)):
            self.remove(part)
        self.remove(name)
        self._numbers.pop(name, None)
        if kept:
            self.append(name, b"".join(kept))

    def join(self, name: str) -> None:
        if not self.exists(name):
            with self.writing(name) as path, path.open("wb") as file:
                for line in self.lines(name):
                    file.write(line)
        for part in reversed(self._parts(name)):
            self.remove(part)

    def _parts(self, name: str) -> list[str]:
        folder = _PARTS.format(name)
        return [f"{folder}/{part}" for part in sorted(self.names(folder)) if part.isdigit()]

    def close(self) -> None:
        """Nothing is held."""

    @contextmanager
    def _spoken(self, name: str) -> Generator[None]:
        try:
            yield
        except OutputError:
            raise
        except Exception as error:  # each kind of place has errors of its own
            at = shown(f"{self.where.rstrip('/')}/{name}")
            raise OutputError(f"cannot reach {at}: {reason(error)}") from None
