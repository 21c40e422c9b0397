"""Runs of two processes on this machine, beside what is simulated of them.

Workers have one thread each. They are begun before the time is taken, the driver within it.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.measure import environment
from benchmarks.results import keep
from benchmarks.scale_paces import measured
from benchmarks.scale_tables import report
from benchmarks.scale_times import (
    STEPS,
    drawing,
    keeping,
    large,
    named,
    reading,
    rows_of,
    transactions,
    written,
)
from kakusan.batch.shard import Shard

ROOT = Path(__file__).parents[1]
KILLED_S = 12.0  # after the start of the driver
PATIENCE_S = 600.0


def alone() -> dict[str, str]:
    """That of programs which are measured: one thread each, from this folder's sources."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT / "src")}


@contextmanager
def working(url: str, count: int) -> Generator[list["subprocess.Popen[str]"]]:
    """Within, so many workers ask for rows."""
    processes = [begun_worker(url) for _ in range(count)]
    try:
        yield processes
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.communicate(timeout=60)


def begun_worker(url: str) -> "subprocess.Popen[str]":
    """A worker that has said that it asks for rows."""
    process = subprocess.Popen(
        [sys.executable, "-m", "kakusan", "worker", "--database", url],
        env=alone(),
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    line = process.stderr.readline()
    if "drawing what the queue holds" not in line:
        process.kill()
        raise SystemExit(f"the worker did not begin: {line}{process.stderr.read()}")
    return process


def batch(table: Path, output: Path, *more: str) -> float:
    """Seconds of `kakusan batch`.

    Raises:
        SystemExit: It does not end well.
    """
    command = [sys.executable, "-m", "kakusan", "batch", str(table), "-o", str(output), "-q", *more]
    began = time.perf_counter()
    done = subprocess.run(command, env=alone(), capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"kakusan batch ended with {done.returncode}: {done.stderr}")
    return time.perf_counter() - began


def starting(url: str, table: Path, folder: Path) -> dict[str, float]:
    """Seconds until a worker asks for rows, and of drivers for which nothing is left to do."""
    with working(url, 1):
        pass  # its files are read from the disk once
    began = time.perf_counter()
    with working(url, 1):
        begin = time.perf_counter() - began
        batch(table, folder / "done", "--database", url)
    start = batch(table, folder / "done", "--database", url)
    batch(table, folder / "done-here")
    return {"begin": begin, "start": start, "start_shard": batch(table, folder / "done-here")}


def check(options: argparse.Namespace, folder: Path) -> None:
    """Measure this machine, run what is compared, and keep both."""
    with _database(options.database) as (url, data):
        found = dict(measured()) if options.runs else _pieces(url, data, options.read, folder)
        found["starting"] = starting(url, written(folder / "few.jsonl", rows_of(4)), folder)
        found["drawing"], _ = drawing(max(8, options.rows // 2), folder)
        found["runs"] = compare(url, options.rows, folder)
    keep("scale", found, report(found), options.out, trial=False)


def _pieces(url: str, data: Path | None, rows: int, folder: Path) -> dict[str, Any]:
    """What two processes are not run for."""
    found: dict[str, Any] = {"machine": environment(), "steps": STEPS}
    _, small = drawing(2, folder)
    found["large"], big = large()
    found["reading"] = reading(rows, folder)
    for name, each in (("small", small), ("large", big)):
        found[f"keeping_{name}"] = keeping(100, each, folder)
        found[f"queue_{name}"] = transactions(url, each, data)
    return found


@contextmanager
def _database(url: str | None) -> Generator[tuple[str, Path | None]]:
    """The one that is named, or one that is thrown away afterwards, and its folder."""
    if url is not None:
        yield url, None
        return
    from tests.server.clusters import Cluster, missing

    if (why := missing()) is not None:
        raise SystemExit(f"benchmarks.scale: {why}; name a database with --database")
    cluster = Cluster(durable=True)
    try:
        yield cluster.database(), cluster.folder / "data"
    finally:
        cluster.remove()


def compare(url: str, count: int, folder: Path) -> list[dict[str, Any]]:
    """Seconds of runs, and what is to be simulated of each: a `Fleet`'s fields.

    Args:
        count: of rows, for two processes.
    """
    table = written(folder / "table.jsonl", rows_of(count))
    half = written(folder / "half.jsonl", rows_of(count // 2))
    queued = {"processors": os.cpu_count() or 1, "same": True, "ready": True}
    both = {"rows": count, "workers": 2}

    def through_queue(output: Path, table: Path, workers: int) -> float:
        with working(url, workers):
            return batch(table, output, "--database", url)

    runs: dict[str, tuple[Callable[[Path], float], dict[str, Any]]] = {
        "one worker": (
            lambda output: through_queue(output, half, 1),
            {"rows": count // 2, "workers": 1, **queued},
        ),
        "two workers": (lambda output: through_queue(output, table, 2), {**both, **queued}),
        "two workers, one killed": (
            lambda output: _with_a_kill(url, table, output),
            {**both, "ends": [[0, KILLED_S]], **queued},
        ),
        "two shards": (
            lambda output: _in_shards(table, output),
            {**both, "drivers": 0, "parts": _parts(table)},
        ),
    }
    found = list[dict[str, Any]]()
    for index, (name, (run, fleet)) in enumerate(runs.items()):
        found.append({"name": name, "seconds": run(folder / f"run-{index}"), "fleet": fleet})
        print(json.dumps(found[-1]), file=sys.stderr)
    return found


def _with_a_kill(url: str, table: Path, output: Path) -> float:
    """Two workers, of which one is killed and begun again."""
    with working(url, 2) as processes:

        def kill() -> None:
            os.kill(processes[0].pid, signal.SIGKILL)
            processes[0].communicate()
            processes[0] = begun_worker(url)

        timer = threading.Timer(KILLED_S, kill)
        timer.start()
        seconds = batch(table, output, "--database", url)
        timer.join()
    return seconds


def _in_shards(table: Path, output: Path) -> float:
    began = time.perf_counter()
    shards = [
        threading.Thread(target=batch, args=(table, Path(f"{output}-{n}"), "--shard", f"{n}/2"))
        for n in range(2)
    ]
    for each in shards:
        each.start()
    for each in shards:
        each.join(PATIENCE_S)
    return time.perf_counter() - began


def _parts(table: Path) -> list[int]:
    """How many rows are in each of two shards."""
    rows = named(table)
    return [sum(Shard(n, 2).holds(row.key) for row in rows) for n in range(2)]
