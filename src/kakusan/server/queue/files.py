"""The files beside the database: finished pictures, given ones, and saved states of long jobs.

Each appears whole or not at all, and is on the disk before its row is written.
"""

import hashlib
import math
import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Container, Generator, Iterable
from contextlib import contextmanager
from pathlib import Path

from kakusan.checkpoints.files import replace_file, sync
from kakusan.checkpoints.staging import staged
from kakusan.errors import InputError, shown
from kakusan.server.queue.errors import StoreError, UnknownInput, UnknownPicture
from kakusan.server.queue.ids import is_id

_PICTURE = re.compile(r"([0-9a-f-]{36})-\d{1,6}-[0-9a-f]{16}\.[a-z0-9]{1,5}")
_INPUT = re.compile(r"[0-9a-f]{64}")
_SUFFIX = re.compile(r"\.[a-z0-9]{1,5}")

# Files without a row that are younger may be about to get one
GRACE_S = 3600.0


class Files:
    """A folder of three folders; no name in them comes from outside.

    Raises:
        StoreError: A file cannot be written now, for lack of space or whatever; of each `put`.
    """

    def __init__(self, folder: Path) -> None:
        self._pictures = folder / "pictures"
        self._inputs = folder / "inputs"
        self._latents = folder / "latents"
        self._incoming = folder / "incoming"
        self._sweeping = threading.Lock()
        with _told("the folder of pictures"):
            for each in (self._pictures, self._inputs, self._latents, self._incoming):
                each.mkdir(parents=True, exist_ok=True)
            sync(folder)

    def put_picture(
        self, job_id: str, index: int, data: bytes, suffix: str
    ) -> tuple[str, str, int]:
        """Keep a picture's file: its name, its SHA-256 and its bytes.

        The name tells its bytes, so two workers that draw the same write the same file.
        """
        if not is_id(job_id) or not _SUFFIX.fullmatch(suffix) or not 0 <= index < 10**6:
            raise InputError(f"{shown((job_id, index, suffix))} make no name of a picture")
        sha256 = hashlib.sha256(data).hexdigest()
        name = f"{job_id}-{index}-{sha256[:16]}{suffix}"
        self._put(self._pictures / name, data, "a picture")
        return name, sha256, len(data)

    def picture(self, file: str) -> Path:
        """The path of a stored picture. Raises `UnknownPicture`."""
        path = self._pictures / file
        if not _PICTURE.fullmatch(file) or not path.is_file():
            raise UnknownPicture(f"there is no picture {shown(file)}")
        return path

    def put_input(self, data: bytes) -> str:
        """Keep a given picture under the SHA-256 of its bytes, once."""
        id = hashlib.sha256(data).hexdigest()
        path = self._input(id)
        with self._sweeping:
            if path.is_file() and path.stat().st_size == len(data):
                with _told("a given picture"):
                    os.utime(path)  # its row may come only now
                return id
        self._put(path, data, "a given picture")
        return id

    def input(self, id: str) -> Path:
        """The path of a given picture. Raises `UnknownInput`."""
        if not _INPUT.fullmatch(id) or not self._input(id).is_file():
            raise UnknownInput(f"there is no given picture {shown(id)}; hand it in again")
        return self._input(id)

    def put_latents(self, job_id: str, data: bytes) -> None:
        """Keep how far a job came, in place of what was kept before."""
        if not is_id(job_id):
            raise InputError(f"{shown(job_id)} is no job's id")
        self._put(self._state(job_id), data, "the state of a job")

    def latents(self, job_id: str) -> Path | None:
        """The path of what was kept of a job that is not finished."""
        path = self._state(job_id)
        return path if is_id(job_id) and path.is_file() else None

    def drop_latents(self, job_id: str) -> None:
        """Let go of what was kept of a job."""
        if is_id(job_id):
            _remove(self._state(job_id))

    def drop(self, pictures: Iterable[str], ended: Iterable[str]) -> None:
        """Remove pictures whose rows are gone, and states of jobs that have ended.

        What cannot be removed now is swept later.
        """
        for file in pictures:
            if _PICTURE.fullmatch(file):
                _remove(self._pictures / file)
        for id in ended:
            self.drop_latents(id)

    def free_bytes(self) -> int:
        """How much more the disk takes."""
        with _told("the folder of pictures"):
            return shutil.disk_usage(self._pictures).free

    def sweep_orphans(
        self, known: Callable[[], Container[str]], *, grace_s: float = GRACE_S
    ) -> int:
        """Remove files that nothing tells of; says how many.

        Args:
            known: gives names of pictures, ids of given ones and of unfinished jobs, as they are
                once the files were listed.
            grace_s: how many seconds old a file must be.
        """
        old = time.time() - grace_s
        listed = [path for path in self._all() if _changed(path) < old]
        told, removed = known(), 0
        for path in listed:
            name = path.name if path.parent == self._pictures else path.stem
            with self._sweeping:
                if name not in told and _changed(path) < old:
                    removed += _remove(path)
        return removed

    def _all(self) -> list[Path]:
        folders = (self._pictures, self._inputs, self._latents)
        return [path for folder in folders for path in folder.iterdir() if path.is_file()]

    def _input(self, id: str) -> Path:
        return self._inputs / f"{id}.png"

    def _state(self, job_id: str) -> Path:
        return self._latents / f"{job_id}.safetensors"

    def _put(self, path: Path, data: bytes, what: str) -> None:
        with _told(what), staged(self._incoming) as temporary:
            temporary.write_bytes(data)
            sync(temporary)
            replace_file(temporary, path)
            sync(path.parent)


@contextmanager
def _told(what: str) -> Generator[None]:
    """Say in one line, without a path, that a disk does not take something."""
    try:
        yield
    except OSError as error:
        raise StoreError(f"{what} cannot be written now: {error.strerror or error}") from error


def _remove(path: Path) -> bool:
    try:
        path.unlink()
    except OSError:
        return False
    return True


def _changed(path: Path) -> float:
    """When a file was written; in the future if it is gone."""
    try:
        return path.stat().st_mtime
    except OSError:
        return math.inf
