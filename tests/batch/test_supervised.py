"""A row that brings down what draws it is tried three times, and the others are drawn."""

import logging
import os
import signal
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from kakusan.batch.attempts import FILE, Attempts
from kakusan.batch.engine import Begun
from kakusan.batch.row import FAILED_ATTEMPTS, Finished, Row
from kakusan.batch.storage import LocalStorage
from kakusan.batch.supervised import Supervised
from kakusan.errors import InputError, KakusanError
from tests.batch.making import Fake, everything, go, records, written
from tests.forking import fork_server


class Dying(Fake):
    """Dies at prompts that begin with "die", after it has begun as many rows as it takes at once.

    Args:
        together: how many.
    """

    def __init__(self, together: int = 1) -> None:
        super().__init__()
        self.together = together

    def draw(self, rows: Sequence[Row], begun: Begun) -> Iterator[Finished]:
        for at in range(0, len(rows), self.together):
            some = rows[at : at + self.together]
            for row in some:
                begun(row.number)
            if any(str(row.settings["prompt"]).startswith("die") for row in some):
                os.kill(os.getpid(), signal.SIGKILL)
            yield from super().draw(some, begun)  # which are begun again


def two_at_once() -> Dying:
    return Dying(2)


class Telling(Fake):
    """Warns of each row, in both ways."""

    def draw(self, rows: Sequence[Row], begun: Begun) -> Iterator[Finished]:
        for finished in super().draw(rows, begun):
            logging.getLogger("kakusan.x").warning("row %d", finished.number)
            warnings.warn("as Python does", stacklevel=1)
            yield finished


class Slow(Fake):
    """Says who it is in a file that the first prompt names, and takes its time."""

    def draw(self, rows: Sequence[Row], begun: Begun) -> Iterator[Finished]:
        Path(str(rows[0].settings["prompt"])).write_text(str(os.getpid()))
        time.sleep(600)
        yield from ()


def draw_slowly(folder: str) -> None:
    storage = LocalStorage(Path(folder))
    row = Row(0, "k", "k", {"prompt": f"{folder}/pid", "seed": 1}, {})
    list(Supervised(Slow, Attempts(storage)).draw([row], lambda number: None))


def is_running(pid: str) -> bool:
    """Whether there is such a process, which is no zombie."""
    try:
        told = (Path("/proc") / pid / "stat").read_text()
    except FileNotFoundError:
        return False
    return told.rpartition(")")[2].split()[0] != "Z"


def refusing() -> Fake:
    raise InputError("there is no such device")


def broken() -> Fake:
    os._exit(3)


ROWS = [{"prompt": prompt} for prompt in ("a", "die", "b", "c", "die too", "d")]


def run(tmp_path: Path, make: type[Dying] | object = Dying) -> Path:
    table, out = written(tmp_path / "t.jsonl", ROWS), tmp_path / "out"
    storage = LocalStorage(out / "state")
    with closing(storage), closing(Supervised(make, Attempts(storage))) as engine:  # type: ignore[arg-type]
        go(table, tmp_path / "drawn", engine)
    return tmp_path / "drawn"


@pytest.mark.parametrize("make", [Dying, two_at_once])
def test_the_rows_that_kill_are_put_aside(make: object, tmp_path: Path) -> None:
    found = records(run(tmp_path, make))
    assert [each["status"] for each in found] == [
        "failed_attempts" if each["prompt"].startswith("die") else "success" for each in ROWS
    ]
    assert found[1]["error_message"] == "what drew it died 3 times"
    good = [each for each in ROWS if not each["prompt"].startswith("die")]
    go(written(tmp_path / "good.jsonl", good), tmp_path / "good")
    pictures = {name for name in everything(tmp_path / "good") if name.endswith(".png")}
    assert pictures == {n for n in everything(tmp_path / "drawn") if n.endswith(".png")}


def test_what_cannot_be_made_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such device"):
        run(tmp_path, refusing)
    with pytest.raises(KakusanError, match=r"ended before it drew anything \(exit code 3\)"):
        run(tmp_path, broken)


@pytest.mark.skipif(sys.platform != "linux", reason="processes are looked for in /proc")
def test_what_draws_ends_with_a_run_that_is_killed(tmp_path: Path) -> None:
    run = fork_server().Process(target=draw_slowly, args=(str(tmp_path),))
    run.start()
    told = tmp_path / "pid"
    while not (told.is_file() and told.read_text()):
        assert run.is_alive()
        time.sleep(0.01)
    assert run.pid is not None
    os.kill(run.pid, signal.SIGKILL)
    run.join()
    while is_running(told.read_text()):
        time.sleep(0.01)


def test_what_its_log_says_is_told(tmp_path: Path) -> None:
    told: list[str] = []
    rows = [Row(n, f"{n}", f"{n}", {"prompt": "a", "seed": 1}, {}) for n in range(2)]
    with (
        closing(LocalStorage(tmp_path)) as storage,
        closing(Supervised(Telling, Attempts(storage), told.append)) as engine,
    ):
        assert len(list(engine.draw(rows, lambda number: None))) == 2
    assert told == ["row 0", "as Python does", "row 1"]  # which Python says once of a line


def test_deaths_are_counted_over_starts_and_ends_apart(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    with closing(storage):
        for _ in range(2):
            attempts = Attempts(storage)
            attempts.begin(7)
            attempts.died(7)
        assert Attempts(storage).why_not(7) is None
        assert Attempts(storage).suspects() == {7}
        for count in range(9):  # the run is ended from outside, while 7 is drawn
            attempts = Attempts(storage)
            assert attempts.why_not(7) is None, count
            attempts.begin(7)
        attempts = Attempts(storage)
        attempts.died(7)
        assert attempts.why_not(7) == "what drew it died 3 times"
        attempts.end(7)
        assert Attempts(storage).why_not(7) is None
        for _ in range(10):
            Attempts(storage).begin(8)
        assert Attempts(storage).why_not(8) == "the run ended 10 times while it was drawn"
        Attempts(storage).clear()
        assert not storage.exists(FILE)
        storage.write(FILE, b"{broken")
        assert Attempts(storage).why_not(8) is None


def test_a_row_that_is_put_aside_is_not_drawn(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    with closing(storage):
        attempts = Attempts(storage)
        for _ in range(3):
            attempts.died(0)
        row = Row(0, "k", "k", {"prompt": "a", "seed": 1}, {})
        with closing(Supervised(broken, attempts)) as engine:
            (found,) = engine.draw([row], lambda number: None)
    assert found.status == FAILED_ATTEMPTS
