"""Actors, what draws beneath them and runs killed by the system: nothing is lost or doubled."""

import multiprocessing
import os
import random
import signal
import threading
import time
from contextlib import suppress
from multiprocessing.context import SpawnProcess
from pathlib import Path

from tests.batch.making import everything, go, records, written
from tests.batch.on_ray.fakes import draw_logged

KILLS = int(os.environ.get("KAKUSAN_RAY_KILLS", "2"))  # of actors, and of runs
PATIENCE_S = 300.0  # for a run
ROWS = [{"prompt": "bad dog" if n % 50 == 7 else f"a cat {n}", "n": 1 + n % 2} for n in range(150)]


def begun(log: Path, *arguments: object) -> SpawnProcess:
    """A run in a process of its own; in one that has joined a cluster before, Ray may hang."""
    context = multiprocessing.get_context("spawn")  # with the cluster's token in its environment
    process = context.Process(target=draw_logged, args=(str(log), *map(str, arguments)))
    process.start()
    return process


def ended(process: SpawnProcess) -> int | None:
    """How a run has ended; one that hangs is killed, and has not."""
    process.join(PATIENCE_S)
    code = process.exitcode
    process.kill()
    return code


def ended_well(process: SpawnProcess, log: Path) -> None:
    assert ended(process) == 0, log.read_text()


def test_the_rows_that_kill_are_put_aside(cluster: str, tmp_path: Path) -> None:
    prompts = ["a", "die", "b", "end", "c", "d", "end too", "e"]
    table = written(tmp_path / "t.jsonl", [{"prompt": prompt} for prompt in prompts])
    pids = tmp_path / "pids"
    run = begun(tmp_path / "log", table, tmp_path / "out", cluster, pids)
    ended_well(run, tmp_path / "log")
    found = records(tmp_path / "out")
    assert [each["prompt"] for each in found] == prompts
    for each in found:
        kills = each["prompt"].startswith(("die", "end"))
        assert each["status"] == ("failed_attempts" if kills else "success")
        assert each["error_message"] == ("what drew it died 3 times" if kills else None)


class Killer(threading.Thread):
    """Kills twice at random moments, so that no row can be hit three times: by turns what draws,
    and the actor above it.

    Attributes:
        count: how many it has killed.
    """

    def __init__(self, pids: Path, moments: random.Random) -> None:
        super().__init__(daemon=True)
        self.pids, self.moments, self.count = pids, moments, 0
        self.is_over = threading.Event()

    def run(self) -> None:
        for actor in (False, True):
            while not self.is_over.wait(self.moments.uniform(0.1, 0.8)):
                if self._kill(actor=actor):
                    break

    def _kill(self, *, actor: bool) -> bool:
        for path in self.moments.sample(each := sorted(self.pids.glob("*")), len(each)):
            with suppress(ProcessLookupError, ValueError):
                number = int(path.read_text() if actor else path.name)
                os.kill(number, signal.SIGKILL)
                self.count += 1
                return True
        return False


def test_killed_actors_leave_what_no_kill_leaves(cluster: str, tmp_path: Path) -> None:
    table = written(tmp_path / "t.jsonl", ROWS)
    go(table, tmp_path / "whole", window=64)
    moments, kills, rounds = random.Random(7), 0, 0
    while kills < KILLS:
        out, pids = tmp_path / f"out-{rounds}", tmp_path / f"pids-{rounds}"
        pids.mkdir()
        killer = Killer(pids, moments)
        killer.start()
        ended_well(begun(tmp_path / "log", table, out, cluster, pids), tmp_path / "log")
        killer.is_over.set()
        killer.join()
        kills, rounds = kills + killer.count, rounds + 1
        assert everything(out) == everything(tmp_path / "whole")
    print(f"{kills} kills of actors and of what draws, in {rounds} runs")


def test_killed_runs_leave_what_no_kill_leaves(cluster: str, tmp_path: Path) -> None:
    table = written(tmp_path / "t.jsonl", ROWS)
    go(table, tmp_path / "whole", window=64)
    moments, kills, rounds, log = random.Random(8), 0, 0, tmp_path / "log"
    while kills < KILLS:
        out, is_done = tmp_path / f"out-{rounds}", False
        rounds += 1
        while not is_done:
            before = told(out)
            process = begun(log, table, out, cluster, tmp_path / "pids")
            if kills < KILLS:
                while process.is_alive() and told(out) == before:
                    time.sleep(0.01)
                process.join(moments.uniform(0.0, 0.6))
                if process.is_alive() and process.pid is not None:
                    os.kill(process.pid, signal.SIGKILL)
            code = ended(process)
            is_done = code == 0
            assert is_done or code == -signal.SIGKILL, log.read_text()
            kills += not is_done
        assert everything(out) == everything(tmp_path / "whole")
    print(f"{kills} kills of runs, in {rounds} folders")


def told(out: Path) -> int:
    """How much is written of a run."""
    manifest = out / "manifest.jsonl"
    return manifest.stat().st_size if manifest.is_file() else 0
