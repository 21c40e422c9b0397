"""`kakusan batch --engine ray` with the built-in model, on a cluster that it begins itself."""

import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from kakusan.batch.on_ray.sharing import Node, Share, share_of
from kakusan.cli.exits import INTERRUPTED, PARTLY, USAGE
from kakusan.errors import RequestError
from tests.batch.making import everything, records, written
from tests.batch.on_ray.conftest import environment, heard_by_others, in_session
from tests.cli.fakes import Run
from tests.server.on_ray.test_serving import free_port

Command = Callable[..., Run]
SMALL = ["--steps", "2", "--width", "64", "--height", "64"]
ON_RAY = ["--engine", "ray", "--actors", "2"]
SLOW = "The current node timed out during startup"  # Ray gives itself 30 seconds
ROWS = [
    {"prompt": "a cat", "seed": 9 * n, "n": 1 + n % 2, "width": 63 if n == 5 else 64}
    for n in range(12)
]


def kakusan(*arguments: str, here: Path) -> "subprocess.Popen[str]":
    """The command, which leads a session."""
    own = {n: v for n, v in environment(here).items() if not n.startswith("RAY_")}
    return subprocess.Popen(
        [sys.executable, "-m", "kakusan", "batch", "t.jsonl", *SMALL, *arguments],
        cwd=here,
        env=own,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_two_actors_leave_what_this_machine_leaves(alone: None, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    written(tmp_path / "t.jsonl", ROWS)
    first = kakusan(*ON_RAY, "-o", "out", here=tmp_path)
    manifest = tmp_path / "out" / "manifest.jsonl"
    while not (manifest.is_file() and manifest.stat().st_size):
        if first.poll() is not None:
            said = first.communicate()
            assert SLOW in said[1], said
            first = kakusan(*ON_RAY, "-o", "out", here=tmp_path)
        time.sleep(0.02)
    assert heard_by_others(first.pid) == []
    for pid in in_session(first.pid):  # as a terminal does, all of which hear it
        signal_to(pid, signal.SIGINT)
    out, err = first.communicate()
    assert (first.returncode, out) == (INTERRUPTED, "out/manifest.jsonl\n")
    told = err.splitlines()
    assert told[0] == "kakusan: columns: prompt, seed, n is num_images_per_prompt, width"
    assert told[1].endswith("rows are done; the same command goes on from there")
    assert told[2:] == ["kakusan: interrupted"]
    assert in_session(first.pid) == []
    assert 0 < len({each["row"] for each in records(tmp_path / "out")}) < len(ROWS)

    second, err = None, SLOW
    while second is None or SLOW in err:
        second = kakusan(*ON_RAY, "-q", "-o", "out", here=tmp_path)
        out, err = second.communicate()
    assert (second.returncode, out) == (PARTLY, "out/manifest.jsonl\n")
    assert err == "kakusan: 1 of 12 rows have no picture (1 failed_row)\n"
    assert in_session(second.pid) == []
    whole = kakusan("-q", "-o", "whole", here=tmp_path)
    whole.communicate()
    assert whole.returncode == PARTLY
    assert everything(tmp_path / "out") == everything(tmp_path / "whole")
    assert not (tmp_path / ".ray").exists()


def signal_to(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--ray-address", "x"], "must be HOST:PORT, auto or local, not 'x'"),
        (["--ray-address", "ray://a:1"], "must be HOST:PORT, auto or local, not 'ray://a:1'"),
        (["--ray-address", "127.0.0.1:{port}"], "no Ray cluster answers at '127.0.0.1:"),
        (["--engine", "local", "--actors", "2"], "--actors is for --engine ray; leave one"),
        (["--database", "x", "--actors", "2"], "--actors is for --engine ray; leave one"),
        (["--engine", "rays"], "--engine must be local or workers or ray, not 'rays'"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    options: list[str], words: str, run: Command, here: Path
) -> None:
    pytest.importorskip("ray")
    written(here / "t.jsonl", ROWS)
    port = free_port()
    done = run("batch", "t.jsonl", "-o", "out", *(each.format(port=port) for each in options))
    assert done.code == USAGE
    assert words in done.err
    assert len(done.err.splitlines()) == 1
    assert not (here / "out").exists()


def test_that_ray_is_not_installed_is_said(
    run: Command, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(here / "t.jsonl", ROWS)
    find = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == "ray" else find(name)
    )
    done = run("batch", "t.jsonl", "-o", "out", "--engine", "ray")
    assert done.code == USAGE
    assert 'needs ray, which is not installed: pip install "kakusan[ray]"' in done.err


@pytest.mark.parametrize(
    ("nodes", "asked", "share"),
    [
        ([(8, 0)], {}, (1, 8, 0)),
        ([(8, 0)], {"actors": 2}, (2, 4, 0)),
        ([(8, 0), (4, 0)], {}, (2, 4, 0)),
        ([(8, 0), (3, 0)], {"actors": 3}, (3, 3, 0)),
        ([(8, 0)], {"actors": 2, "cpus": 1}, (2, 1, 0)),
        ([(8, 0), (4, 0)], {"cpus": 2}, (6, 2, 0)),
        ([(4, 0), (16, 4), (8, 2)], {}, (6, 4, 1)),
        ([(4, 0), (16, 4), (8, 2)], {"actors": 2}, (2, 8, 1)),
        ([(4, 0), (16, 4)], {"device": "cuda"}, (4, 4, 1)),
        ([(4, 0), (16, 4)], {"device": "cpu"}, (2, 8, 0)),
    ],
)
def test_each_actor_has_its_part(
    nodes: list[tuple[int, int]], asked: dict[str, object], share: tuple[int, int, int]
) -> None:
    usual = {"actors": None, "cpus": None, "device": None}
    assert share_of([Node(*each) for each in nodes], **{**usual, **asked}) == Share(*share)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("nodes", "asked"),
    [
        ([(2, 0)], {"actors": 3}),
        ([(2, 0)], {"cpus": 3}),
        ([(2, 0)], {"device": "cuda"}),
        ([(8, 1)], {"actors": 2}),
        ([(0, 0)], {}),
        ([], {}),
    ],
)
def test_what_a_cluster_has_not_is_said(
    nodes: list[tuple[int, int]], asked: dict[str, object]
) -> None:
    usual = {"actors": None, "cpus": None, "device": None}
    with pytest.raises(RequestError, match="Ray cluster"):
        share_of([Node(*each) for each in nodes], **{**usual, **asked})  # type: ignore[arg-type]
