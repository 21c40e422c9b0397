"""Contenders in processes of their own, taking turns."""

import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.contenders import ROOT, Contender, surroundings
from benchmarks.environments import PeerError, last_line

LIMIT = 3600.0  # seconds for one answer; a compilation may take minutes
PAUSE = 0.2  # seconds before a turn, in which the threads of the last one go to sleep


class Worker:
    """The parent's end of a process of `benchmarks.worker`, or of another module that answers."""

    def __init__(
        self,
        python: Path,
        task: dict[str, Any],
        variables: dict[str, str],
        module: str = "benchmarks.worker",
    ) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `end`
        self._process = subprocess.Popen(
            [python, "-m", module, json.dumps(task)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            cwd=ROOT,
            env=variables,
            text=True,
        )

    def ask(self, order: str) -> dict[str, Any]:
        """Send an order and wait for its answer.

        Raises:
            PeerError: The process has ended, or did not answer in `LIMIT` seconds.
        """
        try:
            print(order, file=self._process.stdin, flush=True)
        except OSError:
            raise PeerError(self._last_words()) from None
        return self.heard()

    def heard(self) -> dict[str, Any]:
        """The next answer; the first comes unasked when everything is loaded.

        Raises:
            PeerError: As for `ask`.
        """
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], LIMIT)[0]:
            raise PeerError(f"gave no answer in {LIMIT:g} s")
        line = self._process.stdout.readline()
        if not line:
            raise PeerError(self._last_words())
        return json.loads(line)

    def processor_seconds(self) -> float:
        """What all threads of the process have used so far; 0 where Linux's /proc is missing."""
        try:
            text = Path(f"/proc/{self._process.pid}/stat").read_text(encoding="utf-8")
        except OSError:
            return 0.0
        user, system = text.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def end(self) -> None:
        """End the process, however it is."""
        self._process.kill()
        self._process.communicate()
        self._errors.close()

    def _last_words(self) -> str:
        code = self._process.wait()
        self._errors.seek(0)
        words = last_line(self._errors.read().decode(errors="replace"))
        return (
            "was killed, as when memory runs out" if code == -9 else f"ended with {code}: {words}"
        )


@dataclass
class Run:
    """What came of one contender: its times in seconds, or why there are none."""

    contender: Contender
    start: Callable[[], Worker]
    worker: Worker | None = None
    note: str = ""
    load: float = 0.0
    first: float = 0.0
    seconds: list[float] = field(default_factory=list)
    waiting: float = 0.0  # the share of a core that it used while others had their turn
    failure: str = ""

    def attempt(self, action: Callable[[Worker], None]) -> None:
        """Do something with the worker; a failure is noted and ends only this worker."""
        if self.failure:
            return
        try:
            self.worker = self.worker or self.start()
            action(self.worker)
        except PeerError as error:
            self.failure = str(error)
            self.end()

    def end(self) -> None:
        """Give the worker's memory back."""
        if self.worker is not None:
            self.worker.end()
            self.worker = None


def starting(
    python: Path, contender: Contender, isa: str | None, task: dict[str, Any]
) -> Callable[[], Worker]:
    """How to start the worker of a contender."""
    task = task | {"contender": vars(contender)}
    return lambda: Worker(python, task, surroundings(contender, isa))


def warm(run: Run, output: Path) -> None:
    """Load, take the first call, and keep its output."""

    def action(worker: Worker) -> None:
        ready = worker.heard()
        run.load, run.note = ready["load"], ready["note"]
        run.first = worker.ask("call")["seconds"]
        worker.ask(f"save {output}")

    run.attempt(action)
    said = run.failure or f"loaded in {run.load:.1f} s, first call {run.first:.2f} s"
    print(f"{run.contender.name}: {said}", file=sys.stderr, flush=True)


def take_turns(runs: Sequence[Run], repeats: int) -> None:
    """Call each run's worker `repeats` times; the order turns round after each round."""
    for i in range(repeats):
        for run in runs if i % 2 == 0 else reversed(runs):
            _take_turn(run, [other for other in runs if other is not run])


def _take_turn(run: Run, others: Sequence[Run]) -> None:
    if run.failure:
        return
    time.sleep(PAUSE)
    waiting = [(other, other.worker) for other in others if other.worker is not None]
    before = [worker.processor_seconds() for _, worker in waiting]
    started = time.perf_counter()
    run.attempt(lambda worker: run.seconds.append(worker.ask("call")["seconds"]))
    passed = time.perf_counter() - started
    for (other, worker), used in zip(waiting, before, strict=True):
        other.waiting = max(other.waiting, (worker.processor_seconds() - used) / passed)
