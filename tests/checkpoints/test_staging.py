"""Where files are written first: what a killed process leaves, and who removes it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import kakusan
from kakusan.checkpoints import staging
from kakusan.checkpoints.files import atomic, write_bytes, write_new

SOURCE = Path(kakusan.__file__).parents[1]
WRITES = """
import sys
from pathlib import Path
from kakusan.checkpoints.files import write_new
number = 0
while True:
    number += 1
    write_new([Path(sys.argv[1]) / f"{number}.bin"], b"x" * 200_000)
    if number == 1:
        print("ready", flush=True)
"""


def killed_while_writing(folder: Path, after: float) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITES, str(folder)],
        env=os.environ | {"PYTHONPATH": str(SOURCE)},
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(after)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()


def test_a_killed_process_leaves_whole_files_only(tmp_path: Path) -> None:
    for attempt in range(8):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        killed_while_writing(folder, 0.01 + 0.013 * attempt)
        written = [path for path in folder.iterdir() if not path.name.startswith(".")]
        assert written
        assert {path.stat().st_size for path in written} == {200_000}
        write_bytes(folder / "later", b"")
        assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def test_what_another_process_writes_is_left_alone(tmp_path: Path) -> None:
    with atomic(tmp_path / "slow") as temporary:
        temporary.write_text("half")
        write_bytes(tmp_path / "quick", b"")
        assert temporary.read_text() == "half"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["quick", "slow"]


def test_files_of_others_are_left_alone(tmp_path: Path) -> None:
    names = [".kakusan-notes", "x.tmp", ".0123456789abcdef.tmp"]
    for name in names:
        (tmp_path / name).write_text("mine")
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / ".kakusan-0123456789abcdef.tmp").symlink_to(outside)
    write_bytes(tmp_path / "new", b"")
    assert {path.name for path in tmp_path.iterdir()} >= {*names, "outside"}
    assert outside.is_dir()


def test_without_locks_only_old_folders_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staging, "fcntl", None)
    old, young = (tmp_path / f".kakusan-{name}.tmp" for name in ("old", "young"))
    old.mkdir()
    young.mkdir()
    os.utime(old, (0, 0))
    write_new([tmp_path / "new"], b"")
    assert sorted(path.name for path in tmp_path.iterdir()) == [young.name, "new"]


def test_what_is_being_removed_is_not_taken_into_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that is removed before its maker has locked it has another take its place."""
    lock, sweep = staging.fcntl.flock, staging._sweep  # pyright: ignore
    swept: list[bool] = []

    def late(handle: int, how: int) -> None:
        if not swept:
            swept.append(True)
            sweep(tmp_path)
        lock(handle, how)

    monkeypatch.setattr(staging.fcntl, "flock", late)
    monkeypatch.setattr(staging, "_sweep", lambda _folder: None)  # pyright: ignore
    write_new([tmp_path / "new"], b"x")
    assert [path.name for path in tmp_path.iterdir()] == ["new"]
    assert swept


def test_a_folder_is_locked_until_it_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = tmp_path / ".kakusan-left.tmp"
    held.mkdir()
    remove, locked = staging.shutil.rmtree, list[bool]()

    def watched(folder: Path, **options: bool) -> None:
        if folder == held:
            handle = os.open(folder, os.O_RDONLY)
            locked.append(not staging._locked(handle))  # pyright: ignore
            os.close(handle)
        remove(folder, **options)  # pyright: ignore

    monkeypatch.setattr(staging.shutil, "rmtree", watched)
    write_new([tmp_path / "new"], b"x")
    assert locked == [True]
    assert not held.exists()
