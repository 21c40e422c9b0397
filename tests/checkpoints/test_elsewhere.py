"""Writing files as Windows, other disks and networks would have it."""

import errno
import os
import stat
from pathlib import Path
from types import SimpleNamespace

import pytest

from kakusan.checkpoints import file_names, files
from kakusan.checkpoints.file_names import unusable
from kakusan.checkpoints.files import replace_file, sync, write_bytes, write_new
from kakusan.errors import OutputError

WINDOWS = SimpleNamespace(platform="win32")


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that were waited."""
    waited: list[float] = []
    monkeypatch.setattr(files, "sys", WINDOWS)
    monkeypatch.setattr(file_names, "sys", WINDOWS)
    monkeypatch.setattr(files, "time", SimpleNamespace(sleep=waited.append))
    return waited


@pytest.mark.parametrize(
    "name",
    ["con", "CON.png", "nul.tar.gz", "Aux.safetensors", "com1.png", "LPT9", "lpt¹", "con .png"],
)
def test_names_of_devices_are_refused(windows: object, tmp_path: Path, name: str) -> None:
    for write in (write_bytes, lambda path, data: write_new([path], data)):
        with pytest.raises(OutputError, match=r"Windows keeps the name \w+ for a device\.$"):
            write(tmp_path / name, b"x")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a:b.png", "what?.png", "a|b", "<a>", 'say "a".png', "a*"])
def test_names_with_other_meanings_are_refused(windows: object, tmp_path: Path, name: str) -> None:
    with pytest.raises(OutputError, match=r"Windows takes no '.' in a name"):
        write_bytes(tmp_path / name, b"x")


@pytest.mark.parametrize("name", ["icon.png", "console", "com.png", "com10", "猫.png", "a b", "nu"])
def test_other_names_are_taken(windows: object, tmp_path: Path, name: str) -> None:
    write_bytes(tmp_path / name, b"x")
    assert (tmp_path / name).read_bytes() == b"x"


def test_elsewhere_every_name_is_taken(tmp_path: Path) -> None:
    assert unusable("con.png") is None
    write_bytes(tmp_path / "a:b.png", b"x")


def test_a_file_that_another_program_looks_at_is_waited_for(
    windows: list[float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target, real, tries = tmp_path / "a", tmp_path / "b", os.replace, [0]
    source.write_bytes(b"new")
    target.write_bytes(b"old")

    def busy(*paths: Path) -> None:
        tries[0] += 1
        if tries[0] < 4:
            raise PermissionError(13, "Access is denied")
        real(*paths)

    monkeypatch.setattr(os, "replace", busy)
    replace_file(source, target)
    assert target.read_bytes() == b"new"
    assert len(windows) == 3


def test_a_file_that_stays_open_is_an_error(
    windows: list[float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*paths: Path) -> None:
        raise PermissionError(13, "Access is denied")

    monkeypatch.setattr(os, "replace", busy)
    with pytest.raises(OutputError, match="Access is denied"):
        write_bytes(tmp_path / "b", b"new")
    assert sum(windows) < 2
    assert list(tmp_path.iterdir()) == []


def _for_folders(number: int) -> object:
    real = os.fsync

    def fsync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))
        real(descriptor)

    return fsync


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.EBADF])
def test_a_disk_that_syncs_no_folders_is_written_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(os, "fsync", _for_folders(number))
    write_bytes(tmp_path / "a", b"x")
    assert (tmp_path / "a").read_bytes() == b"x"


def test_a_disk_that_fails_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", _for_folders(errno.EIO))
    with pytest.raises(OutputError, match="Input/output error"):
        write_bytes(tmp_path / "a", b"x")


def test_folders_are_not_opened_on_windows(
    windows: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> int:
        raise AssertionError

    monkeypatch.setattr(os, "open", never)
    sync(tmp_path)
