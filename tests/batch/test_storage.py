"""Folders elsewhere hold what a folder here holds, and are gone on with in the same way."""

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from kakusan.batch.engine import Begun
from kakusan.batch.row import Finished, Row
from kakusan.batch.sinks import FORMATS
from kakusan.batch.storage import LocalStorage, local, open_storage
from kakusan.checkpoints import locking as checkpoint_locks
from kakusan.errors import InputError, OutputError
from tests.batch.making import Fake, everything, go, written

fsspec = pytest.importorskip("fsspec")
ROWS = [
    {"prompt": "bad dog" if number == 3 else f"a cat {number}", "n": 2 if number == 5 else 1}
    for number in range(9)
]


@pytest.fixture
def url() -> Iterator[str]:
    yield "memory://batch/out"
    fsspec.filesystem("memory").store.clear()


def everything_in(url: str) -> dict[str, bytes]:
    fs, root = fsspec.core.url_to_fs(url)
    return {path.removeprefix(f"{root}/"): fs.cat_file(path) for path in fs.find(root)}


class Ending(Fake):
    """Ends when it is asked for a row."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.at = at

    def draw(self, rows: Sequence[Row], begun: Begun) -> Iterator[Finished]:
        for finished in super().draw(rows, begun):
            if finished.number == self.at:
                raise KeyboardInterrupt
            yield finished


@pytest.mark.parametrize("layout", FORMATS)
def test_a_folder_elsewhere(layout: str, url: str, tmp_path: Path) -> None:
    table = written(tmp_path / "t.jsonl", ROWS)
    go(table, tmp_path / "here", layout=layout)
    go(table, url, layout=layout)
    assert everything_in(url) == everything(tmp_path / "here")


@pytest.mark.parametrize("layout", FORMATS)
def test_a_run_elsewhere_goes_on_where_it_was(layout: str, url: str, tmp_path: Path) -> None:
    table = written(tmp_path / "t.jsonl", ROWS)
    go(table, tmp_path / "here", layout=layout)
    for at in (1, 4, 6, 8):
        with pytest.raises(KeyboardInterrupt):
            go(table, url, Ending(at), layout=layout)
    go(table, url, again := Fake(), layout=layout)
    assert again.drawn == [8]
    assert everything_in(url) == everything(tmp_path / "here")


def test_files_are_sent_under_another_name_where_they_grow(tmp_path: Path) -> None:
    """A place that shows files while they are written, behind a URL of fsspec's."""
    storage = open_storage(f"dir::file://{tmp_path}/out")
    storage.write("a/b.txt", b"x")
    assert storage.read("a/b.txt") == b"x"
    assert storage.names("a") == {"b.txt"}
    assert storage.read("none") is None
    assert storage.names("none") == set()
    storage.append("log", b"1\n")
    storage.append("log", b"2\n3\n")
    assert list(storage.lines("log")) == [b"1\n", b"2\n", b"3\n"]
    storage.cut("log", 2)
    storage.append("log", b"4\n")
    storage.join("log")
    assert storage.read("log") == b"1\n2\n4\n"
    assert storage.names() == {"a", "log", ".kakusan"}
    storage.remove("log")
    storage.remove("log")
    assert not storage.exists("log")


def test_a_file_url_is_a_folder_here(tmp_path: Path) -> None:
    table = written(tmp_path / "t.jsonl", ROWS[:2])
    go(table, f"file://{tmp_path}/with%20room")
    assert (tmp_path / "with room" / "metadata.jsonl").is_file()


@pytest.mark.parametrize("where", ["nothing://x/y", "", "\0"])
def test_what_is_no_place_is_refused(where: str) -> None:
    with pytest.raises(OutputError):
        open_storage(where)


def test_a_folder_is_held_by_one_run_on_windows_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = set[int]()

    def locking(descriptor: int, _mode: int, _count: int) -> None:
        if (file := os.fstat(descriptor).st_ino) in held:
            raise PermissionError(13, "Permission denied")
        held.add(file)

    windows = SimpleNamespace(platform="win32")
    for module in (local, checkpoint_locks):
        monkeypatch.setattr(module, "sys", windows)
    monkeypatch.setitem(sys.modules, "msvcrt", SimpleNamespace(LK_NBLCK=2, locking=locking))
    first = LocalStorage(tmp_path / "out")
    with pytest.raises(InputError, match="is in use by another run"):
        LocalStorage(tmp_path / "out")
    first.write("a", b"1")
    assert first.read("a") == b"1"
    first.close()
