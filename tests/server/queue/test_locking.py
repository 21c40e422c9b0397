"""One server to one file, also where locks are Windows' own."""

import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from kakusan.checkpoints import locking
from kakusan.errors import InputError
from kakusan.server.queue.locking import FileLock

fcntl = pytest.importorskip("fcntl")


def _locking(descriptor: int, mode: int, count: int) -> None:
    """As msvcrt's, which refuses in its own way, and locks bytes for readers too."""
    assert (mode, count) == (2, 1)
    assert os.lseek(descriptor, 0, os.SEEK_CUR) > 100
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise PermissionError(13, "Permission denied") from None


@pytest.fixture(params=["linux", "win32"])
def system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "win32":
        monkeypatch.setattr(locking, "sys", SimpleNamespace(platform="win32"))
        windows = SimpleNamespace(LK_NBLCK=2, locking=_locking)
        monkeypatch.setitem(sys.modules, "msvcrt", windows)


def test_a_lock_is_held_until_it_is_released(system: None, tmp_path: Path) -> None:
    path = tmp_path / "new" / "jobs.db"
    first = FileLock(path)
    with pytest.raises(InputError, match=rf"in use by another server \(process {os.getpid()}\)"):
        FileLock(path)
    other = FileLock(tmp_path / "other.db")
    first.release()
    first.release()
    FileLock(path).release()
    other.release()


def test_a_disk_without_locks_is_said(
    system: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", fails)
    with pytest.raises(InputError, match="SQLite needs a local disk"):
        FileLock(tmp_path / "jobs.db")
