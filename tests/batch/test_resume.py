"""Ended at any moment and begun again, a run leaves what it leaves undisturbed."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from kakusan.batch.engine import Begun
from kakusan.batch.row import Finished, Row
from kakusan.batch.sinks import FORMATS
from kakusan.batch.storage import LocalStorage, Storage
from kakusan.errors import InputError, OutputError
from tests.batch.making import Fake, everything, go, written

ROWS = [
    {"prompt": "bad dog" if number == 3 else f"a cat {number}", "n": 2 if number == 5 else 1}
    for number in range(9)
]
HALF = 0.5


class Killed(BaseException):
    """The process is gone."""


class Dying(LocalStorage):
    """A folder whose process is gone after so many changes; the last one is made by half.

    Half of a file that is written anew lies where nobody looks for it; half of a line lies at the
    end of the manifest.
    """

    def __init__(self, folder: Path, left: int) -> None:
        super().__init__(folder)
        self.left = left

    def _tick(self) -> bool:
        self.left -= 1
        return self.left == 0

    @contextmanager
    def writing(self, name: str) -> Generator[Path]:
        if self._tick():
            (self.folder / ".kakusan" / "new").write_bytes(b"half of it")
            raise Killed
        with super().writing(name) as path:
            yield path
        if self._tick():
            raise Killed

    def append(self, name: str, data: bytes) -> None:
        if self._tick():
            super().append(name, data[: int(len(data) * HALF)])
            raise Killed
        super().append(name, data)
        if self._tick():
            raise Killed

    def remove(self, name: str) -> None:
        if self._tick():
            raise Killed
        super().remove(name)

    def close(self) -> None:
        left = (self.folder / ".kakusan" / "new").is_file()
        super().close()
        if left and self.left <= 0:  # nobody tidies up after a kill
            (self.folder / ".kakusan" / "new").write_bytes(b"half of it")


def dying(left: int) -> Any:
    """What makes a storage that dies of another."""

    def made(storage: Storage) -> Storage:
        assert isinstance(storage, LocalStorage)
        storage.close()
        return Dying(storage.folder, left)

    return made


@pytest.fixture(autouse=True)
def without_waiting_for_disks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kakusan.batch.storage.local.sync", lambda path: None)
    monkeypatch.setattr("os.fsync", lambda descriptor: None)


@pytest.mark.parametrize("layout", FORMATS)
def test_a_run_that_is_ended_at_each_of_its_moments(layout: str, tmp_path: Path) -> None:
    table = written(tmp_path / "t.jsonl", ROWS)
    go(table, tmp_path / "whole", layout=layout)
    whole, moment = everything(tmp_path / "whole"), 0
    while True:
        moment += 1
        out, ended = tmp_path / f"out-{moment}", True
        try:
            go(table, out, layout=layout, around=dying(moment))
            ended = False
        except Killed:
            again = Fake()
            go(table, out, again, layout=layout)
            assert len(again.drawn) == len(set(again.drawn))
        assert everything(out) == whole, moment
        if not ended:
            break
    assert moment > 2 * len(ROWS)


@pytest.mark.parametrize("layout", FORMATS)
@pytest.mark.parametrize("every", [1, 2, 3, 5])
def test_a_run_that_is_ended_again_and_again(layout: str, every: int, tmp_path: Path) -> None:
    """Each start gets a little further, as long as it can make a file and tell of it."""
    table = written(tmp_path / "t.jsonl", ROWS)
    go(table, tmp_path / "whole", layout=layout)
    for _ in range(200):
        try:
            go(table, tmp_path / "out", layout=layout, around=dying(every + 3))
            break
        except Killed:
            continue
    assert everything(tmp_path / "out") == everything(tmp_path / "whole")


@pytest.mark.parametrize("layout", FORMATS)
@pytest.mark.parametrize("at", [1, 2, 5])
def test_ctrl_c_behind_a_line_does_not_write_it_twice(layout: str, at: int, tmp_path: Path) -> None:
    class Interrupted(LocalStorage):
        left = at

        def append(self, name: str, data: bytes) -> None:
            super().append(name, data)
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt

    def interrupted(storage: Storage) -> Storage:
        assert isinstance(storage, LocalStorage)
        storage.close()
        return Interrupted(storage.folder)

    table = written(tmp_path / "t.jsonl", ROWS)
    go(table, tmp_path / "whole", layout=layout)
    with pytest.raises(KeyboardInterrupt):
        go(table, tmp_path / "out", layout=layout, around=interrupted)
    go(table, tmp_path / "out", layout=layout)
    assert everything(tmp_path / "out") == everything(tmp_path / "whole")


def test_what_is_drawn_ahead_is_not_drawn_again(tmp_path: Path) -> None:
    """Pictures of later rows are there, and their lines are not."""
    table = written(tmp_path / "t.jsonl", ROWS)

    class Ending(Fake):
        def draw(self, rows: Sequence[Row], begun: Begun) -> Iterator[Finished]:
            for finished in super().draw(rows, begun):
                if finished.number == 0:  # the last of its window, whose lines all wait for it
                    raise Killed
                yield finished

    with pytest.raises(Killed):
        go(table, tmp_path / "out", Ending(back=True))
    again = Fake()
    go(table, tmp_path / "out", again)
    assert again.drawn == [0, 3, *range(4, 9)]  # the fourth has no picture to be found again


def test_a_folder_is_of_one_run(tmp_path: Path) -> None:
    table = written(tmp_path / "t.jsonl", ROWS)
    go(table, tmp_path / "out")
    other = written(tmp_path / "other.jsonl", ROWS[1:])
    with pytest.raises(InputError, match=r"is of another table; name a new folder with -o"):
        go(other, tmp_path / "out")
    with pytest.raises(InputError, match=r"is of another --format and another --shard-size"):
        go(table, tmp_path / "out", layout="parquet", size=9)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").touch()
    with pytest.raises(InputError, match=r"no run's folder and not empty \(mine.txt\)"):
        go(table, tmp_path / "full")
    (tmp_path / "out" / ".kakusan" / "run.json").write_text("{}")
    with pytest.raises(InputError, match="cannot go on with"):
        go(table, tmp_path / "out")


def test_a_folder_in_which_nothing_was_drawn_is_of_whatever_comes(tmp_path: Path) -> None:
    class Refusing(Fake):
        def draw(self, rows: Sequence[Row], begun: Begun) -> Iterator[Finished]:
            raise InputError("there is no such device")

    with pytest.raises(InputError, match="no such device"):
        go(written(tmp_path / "t.jsonl", ROWS), tmp_path / "out", Refusing())
    other = written(tmp_path / "other.jsonl", ROWS[1:])
    assert len(go(other, tmp_path / "out")) == len(ROWS)


def test_a_folder_is_of_one_process(tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    held = LocalStorage(tmp_path / "out")
    with pytest.raises(InputError, match="is in use by another run"):
        LocalStorage(tmp_path / "out")
    held.close()
    LocalStorage(tmp_path / "out").close()


def test_where_nothing_can_be_written_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot write"):
        LocalStorage(tmp_path / "file" / "out")
