"""Workers that are killed at random moments: each row once, and one that kills is put aside."""

import os
import random
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any

import pytest

from kakusan.batch.made import Made
from kakusan.batch.on_queue.engine import QueueEngine
from kakusan.server.queue.store import Store
from tests.batch.making import everything, go, records, written
from tests.batch.on_queue.fakes import MADE, Memory, work_as_fake
from tests.forking import fork_server

KILLS = int(os.environ.get("KAKUSAN_TEST_KILLS", "20"))
ROWS = [{"prompt": "bad dog" if n % 50 == 7 else f"a cat {n}", "n": 1 + n % 2} for n in range(200)]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")


class Fleet:
    """Two workers, of which one that has ended is begun again, as a cluster does."""

    def __init__(self, url: str, log: Path) -> None:
        self._context: ForkServerContext = fork_server(
            "tests.batch.on_queue.fakes", "kakusan.batch.on_queue.worker"
        )
        self._url, self._log = url, str(log)
        self._processes: list[ForkServerProcess] = [self._begun() for _ in range(2)]
        self._ending = threading.Event()
        self._tending = threading.Thread(target=self._tend)
        self._tending.start()

    def _begun(self) -> ForkServerProcess:
        ready = self._context.Event()
        process = self._context.Process(target=work_as_fake, args=(self._url, ready, self._log))
        process.start()
        assert ready.wait(60)
        return process

    def _tend(self) -> None:
        while not self._ending.wait(0.02):
            for index, process in enumerate(self._processes):
                if not process.is_alive():
                    process.join()
                    self._processes[index] = self._begun()

    def kill(self, index: int) -> None:
        process = self._processes[index]
        if process.pid is not None and process.is_alive():
            os.kill(process.pid, signal.SIGKILL)
            process.join()

    def end(self) -> None:
        self._ending.set()
        self._tending.join()
        for process in self._processes:
            process.terminate()
            process.join()


@pytest.fixture
def fleet(url: str, tmp_path: Path) -> Iterator[Fleet]:
    made = Fleet(url, tmp_path / "log")
    yield made
    made.end()


def draw(url: str, table: Path, out: Path) -> None:
    storage: Any = Memory()
    with closing(QueueEngine(Store.open(url), Made(**MADE), storage, print)) as client:
        go(table, out, client, window=100)


def test_killed_workers_leave_what_no_kill_leaves(url: str, fleet: Fleet, tmp_path: Path) -> None:
    table = written(tmp_path / "t.jsonl", ROWS)
    go(table, tmp_path / "whole")
    moments, kills, rounds = random.Random(7), 0, 0
    while kills < KILLS:
        out = tmp_path / f"out-{rounds}"
        rounds += 1
        run = threading.Thread(target=draw, args=(url, table, out))
        run.start()
        while run.is_alive() and kills < KILLS:
            time.sleep(moments.uniform(0.2, 2.0))
            fleet.kill(kills % 2)
            kills += 1
        run.join()
        assert everything(out) == everything(tmp_path / "whole"), (tmp_path / "log").read_text()
    store = Store.open(url)
    assert store.jobs(limit=10) == []
    store.close()


@pytest.mark.parametrize("poison", ["die", "end"])
def test_a_row_that_kills_its_worker_is_put_aside(
    url: str, fleet: Fleet, tmp_path: Path, poison: str
) -> None:
    rows = [{"prompt": poison if n == 5 else f"a cat {n}"} for n in range(12)]
    table, out = written(tmp_path / "t.jsonl", rows), tmp_path / "out"
    draw(url, table, out)
    found = records(out)
    assert [each["status"] for each in found] == [
        "failed_attempts" if n == 5 else "success" for n in range(12)
    ]
    assert found[5]["error_message"] == "what drew it died 3 times"
