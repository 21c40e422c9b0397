"""Where files are written before they get their names, and how a killed process's are found.

Files are written in a hidden folder of their own beside their final place, which the process that
writes holds locked. The system lets go of the lock when the process ends, however it ends; such a
folder that nobody holds is left over, and the next process that writes there removes it.
"""

import os
import secrets
import shutil
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

PREFIX, SUFFIX = ".kakusan-", ".tmp"
OLD = 24 * 3600.0  # seconds after which a folder is left over where nothing can be locked


@contextmanager
def staged(folder: Path) -> Generator[Path]:
    """Give a new empty file on the disk of `folder`, which is made if need be.

    Raises:
        OSError: The folder cannot be made or written.
    """
    with staged_folder(folder) as held:
        temporary = held / "new"
        temporary.touch(exist_ok=False)
        yield temporary


@contextmanager
def staged_folder(folder: Path) -> Generator[Path]:
    """Give a new empty folder on the disk of `folder`, which is made if need be.

    Raises:
        OSError: The folder cannot be made or written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _sweep(folder)
    held, lock = _held(folder)
    try:
        yield held
    finally:
        shutil.rmtree(held, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def _held(folder: Path) -> tuple[Path, int | None]:
    """A new hidden folder, and its lock where the system has some."""
    while True:
        held = folder / f"{PREFIX}{secrets.token_hex(8)}{SUFFIX}"
        held.mkdir()
        if fcntl is None:
            return held, None
        # Whoever sweeps may have come in between
        with suppress(FileNotFoundError):
            lock = os.open(held, os.O_RDONLY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(lock)
                continue
            except OSError:  # a file system without locks
                return held, lock
            if held.exists():
                return held, lock
            os.close(lock)


def _sweep(folder: Path) -> None:
    """Remove what killed processes left; what cannot be removed stays."""
    with suppress(OSError):
        for held in folder.glob(f"{PREFIX}*{SUFFIX}"):
            with _left_over(held) as left_over:
                if left_over:
                    shutil.rmtree(held, ignore_errors=True)


@contextmanager
def _left_over(held: Path) -> Generator[bool]:
    """Say whether a folder is left over; nobody can take it into use meanwhile."""
    if fcntl is None:
        yield time.time() - held.stat().st_mtime > OLD
        return
    try:
        lock = os.open(held, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        yield False
        return
    try:
        yield _locked(lock)
    finally:
        os.close(lock)


def _locked(lock: int) -> bool:
    """Take a lock; not if another holds it, or nothing can be locked here."""
    assert fcntl is not None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
