"""Workers that take turns: order, failures, and what is said about them."""

import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from benchmarks import turns
from benchmarks.contenders import Contender
from benchmarks.environments import PeerError, python_of
from benchmarks.turns import Run, Worker, take_turns, warm
from benchmarks.worker import answer

SPEAKER = """#!{python}
import json, sys
print(json.dumps({{"load": 0.5, "note": "quick"}}), flush=True)
for line in sys.stdin:
    order = line.split()[0]
    if order == "crash":
        sys.exit("the last word")
    print(json.dumps({{"seconds": 0.25}} if order == "call" else {{}}), flush=True)
"""


@pytest.fixture
def speaker(tmp_path: Path) -> Path:
    """A program that speaks as a worker does, without torch."""
    path = tmp_path / "python"
    path.write_text(SPEAKER.format(python=sys.executable), encoding="utf-8")
    path.chmod(0o755)
    return path


def run_of(name: str, start: Callable[[], Worker]) -> Run:
    return Run(Contender(name=name, library="diffusers", dtype="float32"), start=start)


class Recorder:
    """Stands for a worker: notes its turns, and fails at a given one."""

    def __init__(self, name: str, log: list[str], fails_at: int | None = None) -> None:
        self.name = name
        self.log = log
        self.left = fails_at
        self.ended = False

    def ask(self, order: str) -> dict[str, float]:
        self.log.append(self.name)
        if self.left is not None:
            if self.left == 0:
                raise PeerError("broke")
            self.left -= 1
        return {"seconds": 1.0}

    def processor_seconds(self) -> float:
        return 0.0

    def end(self) -> None:
        self.ended = True


def test_the_order_turns_round_and_a_failure_ends_only_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(turns, "PAUSE", 0)
    log: list[str] = []
    workers = {name: Recorder(name, log, 1 if name == "b" else None) for name in "abc"}
    runs = [run_of(name, lambda: pytest.fail("it is started already")) for name in "abc"]
    for run in runs:
        run.worker = workers[run.contender.name]  # type: ignore[assignment]
    take_turns(runs, 3)
    assert "".join(log) == "abc" + "cba" + "ac"
    assert [len(run.seconds) for run in runs] == [3, 1, 3]
    assert [run.failure for run in runs] == ["", "broke", ""]
    assert workers["b"].ended
    assert not workers["a"].ended


def test_a_process_is_loaded_called_and_ended(
    speaker: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "PAUSE", 0)
    run = run_of("a", lambda: Worker(speaker, {}, dict(os.environ)))
    warm(run, tmp_path / "output.pt")
    take_turns([run], 2)
    assert (run.load, run.note, run.failure) == (0.5, "quick", "")
    assert (run.first, run.seconds) == (0.25, [0.25, 0.25])
    run.end()
    assert run.worker is None


def test_a_crash_is_told_by_its_last_words(speaker: Path) -> None:
    worker = Worker(speaker, {}, dict(os.environ))
    worker.heard()
    with pytest.raises(PeerError, match=r"^ended with 1: the last word$"):
        worker.ask("crash")
    with pytest.raises(PeerError, match="the last word"):
        worker.ask("call")
    worker.end()


def test_a_peer_that_cannot_be_installed_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.environments.PACKAGES", {"peer": (("/no/such/package",),)})
    python = tmp_path / "peer" / "bin" / "python"

    def make(*command: str) -> None:
        if "venv" in command:
            python.parent.mkdir(parents=True)
            python.symlink_to(sys.executable)
            return
        run(*command)

    run = sys.modules["benchmarks.environments"]._run
    monkeypatch.setattr("benchmarks.environments._run", make)
    with pytest.raises(PeerError, match=r"^cannot be installed: "):
        python_of("peer", tmp_path)
    assert not (tmp_path / "peer" / "finished").exists()


def test_a_finished_environment_is_used_again(tmp_path: Path) -> None:
    (tmp_path / "diffusers").mkdir()
    (tmp_path / "diffusers" / "finished").touch()
    assert python_of("diffusers", tmp_path) == tmp_path / "diffusers" / "bin" / "python"


def test_a_worker_answers_each_order_with_a_line(tmp_path: Path) -> None:
    path, out = tmp_path / "output.pt", io.StringIO()
    expected = torch.arange(6, dtype=torch.bfloat16).reshape(2, 3).t()
    answer(lambda: expected, io.StringIO(f"call\nsave {path}\nquit\ncall\n"), out)
    said = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [list(each) for each in said] == [["seconds"], []]
    torch.testing.assert_close(torch.load(path), expected.float())


def test_a_worker_refuses_what_it_does_not_know() -> None:
    with pytest.raises(ValueError, match="takes call"):
        answer(lambda: torch.zeros(1), io.StringIO("dance\n"), io.StringIO())
