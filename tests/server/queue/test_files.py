"""Files appear whole or not at all, under names of the store's own, and go when nothing tells."""

import errno
import hashlib
import os
import time
from pathlib import Path

import pytest

from kakusan.errors import InputError
from kakusan.server.queue import files as room
from kakusan.server.queue.errors import StoreError, UnknownInput, UnknownPicture
from kakusan.server.queue.files import Files

ID = "01a219ac-8701-77a5-afbc-e62d8dcaa373"
DATA = b"\x89PNG and so on"


def every(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_a_picture_is_found_by_the_name_it_got(tmp_path: Path) -> None:
    files = Files(tmp_path / "new" / "folder")
    name, sha256, size = files.put_picture(ID, 12, DATA, ".png")
    assert sha256 == hashlib.sha256(DATA).hexdigest()
    assert size == len(DATA)
    assert name == f"{ID}-12-{sha256[:16]}.png"
    assert files.picture(name).read_bytes() == DATA
    assert files.put_picture(ID, 12, DATA, ".png")[0] == name  # drawn twice, kept once
    other, _, _ = files.put_picture(ID, 12, b"other", ".png")
    assert files.picture(name).read_bytes() == DATA
    assert every(tmp_path) == sorted([name, other])


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../latents/x",
        "/etc/passwd",
        f"{ID}-0-{'a' * 16}.png",
        f"../pictures/{ID}-0-{'a' * 16}.png",
        f"{ID}-0-{'a' * 16}.png\0",
        f"{ID}-0-{'a' * 16}.png\n",
        "a" * 5000,
        "\ud800",
    ],
)
def test_no_other_name_leads_anywhere(tmp_path: Path, name: str) -> None:
    files = Files(tmp_path)
    with pytest.raises(UnknownPicture):
        files.picture(name)
    with pytest.raises(UnknownInput, match="hand it in again"):
        files.input(name)
    assert files.latents(name) is None
    files.drop_latents(name)
    files.drop([name], [name])
    with pytest.raises(InputError):
        files.put_latents(name, b"")


@pytest.mark.parametrize(
    "asked", [("x", 0, ".png"), (ID, -1, ".png"), (ID, 10**6, ".png"), (ID, 0, "/../x")]
)
def test_no_other_name_is_given(tmp_path: Path, asked: tuple[str, int, str]) -> None:
    with pytest.raises(InputError):
        Files(tmp_path).put_picture(asked[0], asked[1], DATA, asked[2])


def test_a_given_picture_is_kept_once(tmp_path: Path) -> None:
    files = Files(tmp_path)
    id = files.put_input(DATA)
    assert id == hashlib.sha256(DATA).hexdigest()
    os.utime(files.input(id), (0, 0))
    assert files.put_input(DATA) == id
    assert files.input(id).read_bytes() == DATA
    assert time.time() - files.input(id).stat().st_mtime < 60  # new again: no orphan
    assert len(every(tmp_path)) == 1


def test_states_of_jobs_come_and_go(tmp_path: Path) -> None:
    files = Files(tmp_path)
    assert files.latents(ID) is None
    files.put_latents(ID, b"one")
    files.put_latents(ID, b"two")
    found = files.latents(ID)
    assert found is not None
    assert found.read_bytes() == b"two"
    files.drop_latents(ID)
    files.drop_latents(ID)
    assert files.latents(ID) is None


def test_what_nothing_tells_of_is_removed(tmp_path: Path) -> None:
    files = Files(tmp_path)
    kept, _, _ = files.put_picture(ID, 0, DATA, ".png")
    lost, _, _ = files.put_picture(ID, 1, DATA, ".png")
    given, orphan = files.put_input(b"given"), files.put_input(b"orphan")
    files.put_latents(ID, b"state")
    known = {kept, given, ID}
    assert files.sweep_orphans(lambda: known) == 0  # too young: its row may come yet
    for path in tmp_path.rglob("*"):
        os.utime(path, (0, 0))
    young, _, _ = files.put_picture(ID, 2, DATA, ".png")
    assert files.sweep_orphans(lambda: known) == 2
    for name in (kept, young):
        assert files.picture(name)
    assert files.input(given)
    assert files.latents(ID)
    with pytest.raises(UnknownPicture):
        files.picture(lost)
    with pytest.raises(UnknownInput):
        files.input(orphan)


def test_what_is_known_is_asked_after_the_files_are_listed(tmp_path: Path) -> None:
    """Else a job that came in between would lose its picture, whatever the clock says."""
    files = Files(tmp_path)

    def known() -> set[str]:
        name, _, _ = files.put_picture(ID, 0, DATA, ".png")
        os.utime(files.picture(name), (0, 0))
        return set()

    assert files.sweep_orphans(known) == 0


def test_a_full_disk_is_told_in_one_line_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = Files(tmp_path)

    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    with monkeypatch.context() as patched:
        patched.setattr(room, "sync", full)
        for put in (
            lambda: files.put_picture(ID, 0, DATA, ".png"),
            lambda: files.put_input(DATA),
            lambda: files.put_latents(ID, DATA),
        ):
            with pytest.raises(StoreError, match="written now: No space left on device") as told:
                put()
            assert str(tmp_path) not in str(told.value)
    assert every(tmp_path) == []
    files.put_picture(ID, 0, DATA, ".png")


def test_free_space_is_told(tmp_path: Path) -> None:
    assert 0 < Files(tmp_path).free_bytes() < 10**18
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="the folder of pictures cannot be written now"):
        Files(tmp_path / "file")
