"""`kakusan worker` as a program: what two of them draw is what one machine draws."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kakusan.cli import main
from kakusan.cli.exits import DONE, PARTLY, USAGE
from kakusan.request import Request
from kakusan.server.queue.files import Files
from kakusan.server.queue.job import State, Submission
from kakusan.server.queue.store import Store
from tests.batch.making import everything, written

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM")

Start = Callable[..., subprocess.Popen[str]]
ROWS = [
    {"prompt": "a cat", "n": 1, "label": "x"},
    {"prompt": "a red apple", "n": 2, "label": ""},
    {"prompt": "an owl", "n": 0, "label": "y"},
    {"prompt": "a boat {on the sea|in the harbour}", "n": 1, "label": ""},
]


@pytest.fixture
def start(url: str) -> Iterator[Start]:
    """Begins workers, and sees that each ends well when it is asked to."""
    begun = list[subprocess.Popen[str]]()

    def begin(*arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "kakusan", "worker", *arguments]
        environment = {**os.environ, "KAKUSAN_DATABASE": url}
        process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        begun.append(process)
        assert process.stderr is not None
        assert process.stderr.readline() == (
            "kakusan: drawing what the queue holds; Ctrl-C ends it\n"
        )
        return process

    yield begin
    for process in begun:
        process.send_signal(signal.SIGTERM)
    for process in begun:
        assert not re.search("warning|error", process.communicate(timeout=60)[1])
        assert process.returncode == 0


def test_two_workers_draw_what_one_machine_draws(
    url: str, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = written(tmp_path / "t.csv", ROWS)
    monkeypatch.setenv("KAKUSAN_DATABASE", url)
    start(), start()
    for name, more in (("alone", []), ("shared", ["--together", "3"])):
        common = ["batch", str(table), "--steps", "2", "-q", *more]
        here, there = tmp_path / f"{name}-here", tmp_path / f"{name}-there"
        assert main([*common, "-o", str(here)]) == PARTLY
        assert main([*common, "-o", str(there), "--database", url]) == PARTLY
        assert main([*common, "-o", str(there), "--engine", "workers"]) == PARTLY  # all is there
        assert everything(there) == everything(here)


def test_a_worker_draws_the_jobs_of_a_server(url: str, start: Start, tmp_path: Path) -> None:
    files = Files(tmp_path)
    store = Store.open(url, files)
    asked = Request.of("a dog", seed=4, num_inference_steps=2).to_record()
    job = store.submit(Submission(request=asked))
    table = written(tmp_path / "t.csv", ROWS[:1])
    start("--data", str(tmp_path), "--model", "builtin", "--device", "cpu")
    common = ["batch", str(table), "--steps", "2", "-q", "--database", url]
    assert main([*common, "-o", str(tmp_path / "out")]) == DONE
    deadline = time.monotonic() + 60
    while (found := store.job(job.id)) is None or not found.state.is_final:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert (found.state, found.error, len(found.pictures)) == (State.DONE, None, 1)
    assert files.picture(found.pictures[0].file).is_file()
    store.close()


WRONG = {
    "worker": "name the queue's database, as in --database postgresql://user@host/name or in "
    "KAKUSAN_DATABASE",
    "worker --database sqlite:///a.db": "--database must be postgresql://user@host/name here, "
    "since other machines use it, too",
    "worker --database postgresql:///x --model builtin": "--model is for the jobs of a server, and "
    "rows name their own; give --data, the server's folder, or leave it out",
    "worker --database postgresql:///x --log-format xml": "--log-format must be text or json, not "
    "'xml'",
    "batch t.csv -o out --engine slurm": "--engine must be local",
    "batch t.csv -o out --engine local --database postgresql:///x": "--database is for --engine "
    "workers; leave one of them out",
    "batch t.csv -o out --engine workers": "name the queue's database, as in",
    "batch t.csv -o out --database mysql://x/y": "--database must be postgresql://user@host/name",
}


@pytest.mark.parametrize("line", WRONG)
def test_bad_usage_is_said_in_one_line(
    line: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KAKUSAN_DATABASE", raising=False)
    written(tmp_path / "t.csv", ROWS)
    assert main(line.split()) == USAGE
    said = capsys.readouterr().err
    assert said.startswith(f"kakusan: {WRONG[line]}")
    assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()
