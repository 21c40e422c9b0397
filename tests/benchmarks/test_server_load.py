"""The load generator: what it asks of a server, what it refuses, and what it makes of numbers."""

import argparse
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

pytest.importorskip("fastapi")

from benchmarks import server_load
from benchmarks.server_load import (
    MB,
    TOGETHER,
    Load,
    LoadError,
    Server,
    growth,
    job_of,
    percentile,
    round_of,
)
from kakusan.cli.serve import serve
from kakusan.server import run
from kakusan.server.queue.job import State
from tests.server.access.test_live import live

SMALL = argparse.Namespace(steps=2, size=64)


def test_percentiles_are_values_that_were_seen() -> None:
    values = [float(value) for value in range(200, 0, -1)]
    assert [percentile(values, each) for each in (1, 50, 99, 100)] == [2, 100, 198, 200]
    assert percentile([3.0], 50) == percentile([3.0], 99) == 3.0


def test_rows_tell_of_all_rounds() -> None:
    load = Load([2.0, 2.0], [1.0, 1.0, 1.0, 1.9], [50 * MB, 90 * MB, 70 * MB])
    assert load.row("x") == ("x", "4", "1.00", "1.00", "1.90", "70", "90")
    later = Load([1.0], [1.0], [80 * MB])
    assert growth([load, load, later]) == "Memory, median of part 2: 70 MB; of part 3: 80 MB"


def test_clients_draw_all_their_jobs(tmp_path: Path) -> None:
    load = Load()
    with live(tmp_path, token=None) as (served, port):
        server = server_at(port)
        round_of(server, load, lambda number: job_of(number, SMALL), 3, lambda done: done < 2)
        seeds = {job.submission.request["seed"] for job in served.store.jobs()}
        assert served.store.counts()[State.DONE] == 6
    assert len(load.latencies) == 6
    assert len(load.seconds) == 1
    assert 0 < min(load.latencies) <= max(load.latencies) <= load.seconds[0]
    assert min(load.memory) > MB
    assert len(seeds) == 6


def test_what_is_not_drawn_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with live(tmp_path, token=None) as (served, port):
        server = server_at(port)
        with pytest.raises(LoadError, match="answered 422"):
            server.draw({"prompt": "a", "steps": 2})
        bad = {"prompt": "a", "width": -8}
        with pytest.raises(LoadError, match="answered 422"):
            round_of(server, Load(), lambda _: bad, 2, lambda done: done < 1)

        def fails(job: Any) -> None:
            served.store.finish(job, State.FAILED, "broken")

        monkeypatch.setattr(served.worker, "_draw", fails)
        with pytest.raises(LoadError, match="ended as failed"):
            server.draw(job_of(1, SMALL))
    with pytest.raises(LoadError, match="does not answer"):
        server.draw(job_of(2, SMALL))


def test_both_ways_take_turns_and_a_soak_has_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = list[int]()

    @contextmanager
    def serving(data: Path, together: int, model: str) -> Generator[Server]:
        assert model == "builtin"
        begun.append(together)
        with live(data, token=None) as (_, port):
            yield server_at(port)

    monkeypatch.setattr(server_load, "serving", serving)
    given = {"model": "builtin", "clients": 2, "jobs": 1, "rounds": 3, "soak": 0.001, "rest": 0.001}
    options = argparse.Namespace(**vars(SMALL), **given)
    lines = server_load.compare(options, tmp_path)
    assert begun == list(TOGETHER.values())
    assert [row.split(" | ")[1] for row in lines[0].splitlines()[2:]] == ["6", "6"]
    assert "(ratio of medians)" in lines[-1]
    lines = server_load.soak(options, tmp_path)
    counts = [int(row.split(" | ")[1]) for row in lines[0].splitlines()[2:]]
    assert len(counts) == server_load.PARTS + 1
    assert sum(counts[:-1]) == counts[-1]
    assert min(counts) >= 2  # each client's one
    assert lines[-1].startswith("Memory, median of part 2: ")


def test_servers_share_as_they_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = list[int]()

    def noted(settings: Any, *_: Any) -> int:
        found.append(settings.together)
        return 0

    monkeypatch.setattr(run, "serve", noted)
    serve(data=tmp_path, no_token=True)
    serve(data=tmp_path, no_token=True, together=1)
    assert found == list(TOGETHER.values())


def test_a_server_that_does_not_start_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_load.sys, "executable", "/bin/false")
    with (
        pytest.raises(LoadError, match="did not start, and ended with 1"),
        server_load.serving(tmp_path, 1, "builtin"),
    ):
        pass


def server_at(port: int) -> Server:
    """One in this process."""
    return Server(cast("Any", SimpleNamespace(pid=os.getpid())), port)
