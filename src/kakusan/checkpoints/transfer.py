"""Large files of the hub into its cache: what is broken off goes on, and what comes is checked.

Only files that the hub knows the SHA-256 of come this way; the hub's own library fetches the small
ones, and then finds these in their places. It begins a broken download anew, and of what it fetches
without its Xet protocol it compares the size alone.
"""

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

from huggingface_hub.file_download import hf_hub_url, http_get
from huggingface_hub.utils import WeakFileLock, build_hf_headers

from kakusan.checkpoints.files import OnBytes, replace_file
from kakusan.errors import CheckpointError

SUFFIX = ".incomplete"
AT_A_TIME = 1 << 22  # bytes


class Remote(NamedTuple):
    """A file of the hub: its name in the repository, its size, and its SHA-256 as the hub has it.

    `digest` is None where the hub keeps the file itself, which it does with small ones.
    """

    name: str
    size: int | None = None
    digest: str | None = None


class Repository(NamedTuple):
    """A model at one commit, and where it is kept here.

    Attributes:
        endpoint: the hub's address; None is the usual one.
        folder: of the model in the cache.
    """

    name: str
    commit: str
    endpoint: str | None
    token: str | bool | None
    folder: Path


def fetch_checked(
    repository: Repository, files: Sequence[Remote], tell: OnBytes | None = None
) -> None:
    """Put the files that the hub knows the SHA-256 of into the cache, those that it lacks.

    Args:
        tell: is told how far it has come.

    Raises:
        CheckpointError: What came is not what the hub says it has.
        OSError: The cache cannot be written, or the connection broke; what came is kept.
    """
    large = {file.digest: file for file in files if file.digest and file.size}
    total = sum(file.size or 0 for file in large.values())
    blobs = {digest: repository.folder / "blobs" / digest for digest in large}
    lacking = {digest for digest, file in large.items() if not _is_whole(blobs[digest], file)}
    before = 0
    for digest, file in large.items() if lacking else ():
        if digest in lacking:
            started = before
            _fetch(
                repository,
                file,
                blobs[digest],
                lambda done, at=started: _told(tell, at + done, total),
            )
        before += file.size or 0
        _told(tell, before, total)
    if not lacking:  # nobody waits for steps of nothing
        _told(tell, total, total)


def _told(tell: OnBytes | None, done: int, total: int) -> None:
    if tell is not None:
        tell(done, total)


def _is_whole(blob: Path, file: Remote) -> bool:
    return blob.is_file() and blob.stat().st_size == file.size


def _fetch(repository: Repository, file: Remote, blob: Path, tell: Callable[[int], object]) -> None:
    locks = repository.folder.parent / ".locks" / repository.folder.name
    for folder in (blob.parent, locks):
        folder.mkdir(parents=True, exist_ok=True)
    part = blob.with_name(blob.name + SUFFIX)
    with WeakFileLock(locks / f"{blob.name}.lock"):
        if _is_whole(blob, file):  # another process was as quick
            return
        with open(part, "a+b") as opened:
            if opened.tell() > (file.size or 0):
                opened.truncate(0)
            checked = _Checked(opened, tell)
            headers = build_hf_headers(token=repository.token)
            address = hf_hub_url(
                repository.name,
                file.name,
                revision=repository.commit,
                endpoint=repository.endpoint,
            )
            http_get(
                address,
                cast(BinaryIO, checked),
                resume_size=checked.tell(),
                headers=cast("dict[str, Any]", headers),
                expected_size=file.size,
            )
        if checked.digest() != file.digest:
            part.unlink()
            raise CheckpointError(
                f"{file.name} of {repository.name} came with the SHA-256 {checked.digest()[:10]}…, "
                f"and the hub says {str(file.digest)[:10]}…; what came is removed; ask for it again"
            )
        replace_file(part, blob)


class _Checked:
    """A file to be written that knows the SHA-256 of what it holds; as much as is asked of it."""

    def __init__(self, file: BinaryIO, tell: Callable[[int], object]) -> None:
        self._file, self._told = file, tell
        self._hash = hashlib.sha256()
        self._size = 0
        file.seek(0)
        while piece := file.read(AT_A_TIME):
            self._took(piece)

    def _took(self, piece: bytes) -> None:
        self._hash.update(piece)
        self._size += len(piece)
        self._told(self._size)

    def digest(self) -> str:
        return self._hash.hexdigest()

    def write(self, piece: bytes) -> int:
        written = self._file.write(piece)
        self._took(piece)
        return written

    def tell(self) -> int:
        return self._size

    def seek(self, place: int, whence: int = os.SEEK_SET) -> int:
        """To the beginning, where what came is not to be gone on with."""
        if (place, whence) not in ((0, os.SEEK_SET), (self._size, os.SEEK_SET)):
            raise OSError("a download is written from its beginning to its end")
        self._size = self._file.seek(place)
        return place

    def truncate(self) -> int:
        self._file.truncate(self._size)
        if self._size == 0:
            self._hash = hashlib.sha256()
        return self._size
