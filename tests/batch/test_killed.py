"""Killed by the system a hundred times, at random moments, and begun again each time."""

import os
import random
import signal
import sys
import time
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from tests.batch.making import Fake, everything, go, written
from tests.forking import fork_server

KILLS = 50  # of each of two layouts
ROWS = [{"prompt": "bad dog" if n % 50 == 7 else f"a cat {n}", "n": 1 + n % 2} for n in range(600)]


def draw_all(begun: Event, table: str, out: str, layout: str, log: str) -> None:
    errors = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(errors, 2)
    begun.set()
    go(Path(table), out, Fake(back=True), layout=layout, size=20, window=16)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
@pytest.mark.parametrize("layout", ["folder", "webdataset"])
def test_a_hundred_kills_leave_what_no_kill_leaves(layout: str, tmp_path: Path) -> None:
    table = written(tmp_path / "t.jsonl", ROWS)
    go(table, tmp_path / "whole", layout=layout, size=20, window=16)
    context = fork_server("tests.batch.test_killed")
    moments, kills, rounds = random.Random(7), 0, 0
    while kills < KILLS:
        out, is_done = tmp_path / f"out-{rounds}", False
        rounds += 1
        while not is_done:
            begun = context.Event()
            arguments = (begun, str(table), str(out), layout, str(tmp_path / "log"))
            process = context.Process(target=draw_all, args=arguments)
            process.start()
            assert begun.wait(60)
            if kills < KILLS:
                time.sleep(moments.uniform(0.0, 0.06))
                if process.pid is not None and process.is_alive():
                    os.kill(process.pid, signal.SIGKILL)
            process.join()
            is_done = process.exitcode == 0
            assert is_done or process.exitcode == -signal.SIGKILL, (tmp_path / "log").read_text()
            kills += not is_done
        assert everything(out) == everything(tmp_path / "whole")
