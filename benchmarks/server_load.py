"""`kakusan serve` under load: throughput, latency and memory, with shared steps and without.

    python -m benchmarks.server_load [--clients 8] [--jobs 2] [--steps 25] [--rounds 5]
    python -m benchmarks.server_load --model FOLDER --size 512 --clients 2 --jobs 1 --steps 3
    python -m benchmarks.server_load --soak 60 [--rest 20]

Two servers draw with a model, one with shared steps and one picture after the other.
They take turns: in each round so many clients hand in one job after another and wait for it by the
server's events. A soak loads the one that shares, and shows each twelfth of its time by itself;
with `--rest` a client rests between two jobs, so that the server has what people ask of it and not
all that it can do.
Whatever is not drawn ends the benchmark with an error.
"""

import argparse
import http.client
import json
import math
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from benchmarks.measure import environment, markdown_table, matrix_peak

ROOT = Path(__file__).parents[1]
TOGETHER = {"shared steps": 16, "one by one": 1}  # values of --together
PROMPTS = ("a red cat", "a dog", "two foxes on teal", "a house at night")
PARTS = 12  # of a soak's time
LOOK = 0.5  # seconds between two looks at memory
PATIENCE = 600.0  # seconds without a word from the server
MB = 2**20
HEADER = ("what", "jobs", "jobs a second", "p50, s", "p99, s", "memory, MB", "most, MB")


class LoadError(Exception):
    """The server did not do what it promises."""


@dataclass
class Load:
    """What was seen of a server for some time.

    Attributes:
        seconds: for which it had work, of each round.
        latencies: seconds of each job, from handing it in to its end.
        memory: bytes that the process held, over the time.
    """

    seconds: list[float] = field(default_factory=list[float])
    latencies: list[float] = field(default_factory=list[float])
    memory: list[int] = field(default_factory=list[int])

    def row(self, name: str) -> tuple[str, ...]:
        """A line of the table."""
        rate = len(self.latencies) / sum(self.seconds)
        half, most = percentile(self.latencies, 50), percentile(self.latencies, 99)
        held = [f"{value / MB:.0f}" for value in (self.memory[-1], max(self.memory))]
        return (name, str(len(self.latencies)), f"{rate:.2f}", f"{half:.2f}", f"{most:.2f}", *held)


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest of the values that so many percent of them do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)]


class Server:
    """A `kakusan serve` that has said where it is."""

    def __init__(self, process: "subprocess.Popen[str]", port: int) -> None:
        self.process, self.port = process, port

    def memory(self) -> int:
        """Bytes of memory that it holds now (Linux's VmRSS)."""
        pages = Path(f"/proc/{self.process.pid}/statm").read_text(encoding="ascii").split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def draw(self, job: Mapping[str, Any]) -> float:
        """Hand a job in and wait for its picture: the seconds that took.

        Raises:
            LoadError: It was refused, or not drawn.
        """
        started = time.perf_counter()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            headers = {"Content-Type": "application/json"}
            connection.request("POST", "/v1/jobs", json.dumps(job), headers)
            id = told(connection.getresponse(), 202)["id"]
            connection.request("GET", f"/v1/jobs/{id}/events?previews=false")
            end = last_event(connection.getresponse())
        except OSError as error:
            raise LoadError(f"the server does not answer: {error}") from error
        finally:
            connection.close()
        if end != "done":
            raise LoadError(f"job {id} ended as {end}")
        return time.perf_counter() - started


def told(answer: http.client.HTTPResponse, code: int) -> dict[str, Any]:
    """An answer's JSON, where it has the code that it should have."""
    body = answer.read()
    if answer.status != code:
        raise LoadError(f"the server answered {answer.status}: {body[:200]!r}")
    return json.loads(body)


def last_event(answer: http.client.HTTPResponse) -> str:
    """The name of the last event of a stream."""
    names = [line for line in answer if line.startswith(b"event: ")]
    return names[-1].removeprefix(b"event: ").strip().decode() if names else "nothing"


@contextmanager
def serving(data: Path, together: int, model: str) -> Generator[Server]:
    """Within, a server runs on a free port; it is drained at the end.

    Raises:
        LoadError: It does not start, or does not end well.
    """
    words = [sys.executable, "-m", "kakusan", "serve", "--port", "0", "--data", str(data)]
    words += ["--no-token", "--no-open", "--keep-free", "0", "--together", str(together)]
    words += ["--model", model]
    process = subprocess.Popen(
        words,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline().split()
        if not line:
            raise LoadError(f"kakusan serve did not start, and ended with {process.wait()}")
        yield Server(process, int(line[3].rpartition(":")[2]))
        process.terminate()
        if process.wait(60) != 0:
            raise LoadError(f"kakusan serve ended with {process.returncode}")
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        process.stdout.close()


@contextmanager
def watched(server: Server, load: Load) -> Generator[None]:
    """Within, the server's memory is noted."""
    ended = threading.Event()

    def look() -> None:
        while True:
            load.memory.append(server.memory())
            if ended.wait(LOOK):
                return

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def round_of(
    server: Server,
    load: Load,
    jobs: Callable[[int], Mapping[str, Any]],
    clients: int,
    goes_on: Callable[[int], bool],
    rest: float = 0.0,
) -> None:
    """Let clients hand in jobs at once, each its next when the one before is done.

    Args:
        load: what was seen is added to it.
        jobs: the job of a number.
        goes_on: whether a client that has handed in so many hands in another.
        rest: seconds for which a client rests between two, on average; each time as much as chance
            has it.
    """
    chance = random.Random(0)

    def client(number: int) -> list[float]:
        latencies = list[float]()
        while goes_on(len(latencies)):
            time.sleep(chance.expovariate(1 / rest) if rest else 0.0)
            latencies.append(server.draw(jobs(number + clients * len(latencies))))
        return latencies

    started = time.perf_counter()
    with watched(server, load), ThreadPoolExecutor(clients) as pool:
        for latencies in pool.map(client, range(clients)):
            load.latencies += latencies
    load.seconds.append(time.perf_counter() - started)


def job_of(number: int, options: argparse.Namespace) -> dict[str, Any]:
    """What is drawn: other words and another seed each time, of one size."""
    return {
        "prompt": PROMPTS[number % len(PROMPTS)],
        "seed": number,
        "num_inference_steps": options.steps,
        "width": options.size,
        "height": options.size,
    }


def compare(options: argparse.Namespace, folder: Path) -> list[str]:
    """Both ways in turn: the table, and the ratio of the medians."""
    loads = {name: Load() for name in TOGETHER}
    jobs = lambda number: job_of(number, options)  # noqa: E731
    with ExitStack() as stack:
        servers = {
            name: stack.enter_context(serving(folder / str(count), count, options.model))
            for name, count in TOGETHER.items()
        }

        def take(name: str, load: Load, each: int) -> None:
            round_of(servers[name], load, jobs, options.clients, lambda done: done < each)

        for name in servers:  # the model is loaded, and memory has its size
            take(name, Load(), 1)
        for index in range(options.rounds):
            for name in list(servers) if index % 2 == 0 else reversed(servers):
                take(name, loads[name], options.jobs)
    shared, alone = (statistics.median(load.seconds) for load in loads.values())
    rows = [load.row(name) for name, load in loads.items()]
    ratio = f"Throughput with shared steps, of one by one: {alone / shared:.2f} (ratio of medians)"
    return [markdown_table(HEADER, rows), "", ratio]


def soak(options: argparse.Namespace, folder: Path) -> list[str]:
    """The server that shares for a long time, in parts."""
    loads = [Load() for _ in range(PARTS)]
    seconds = 60 * options.soak / PARTS
    jobs = lambda number: job_of(number, options)  # noqa: E731
    with serving(folder / "soak", TOGETHER["shared steps"], options.model) as server:
        round_of(
            server, Load(), jobs, options.clients, lambda done: done < 1
        )  # the model is loaded
        for load in loads:
            end = time.monotonic() + seconds
            goes_on = lambda done: done == 0 or time.monotonic() < end  # noqa: B023, E731
            round_of(server, load, jobs, options.clients, goes_on, options.rest)
    whole = Load(
        [each for load in loads for each in load.seconds],
        [each for load in loads for each in load.latencies],
        [each for load in loads for each in load.memory],
    )
    rows = [load.row(f"part {index}") for index, load in enumerate(loads, 1)]
    return [markdown_table(HEADER, [*rows, whole.row("all")]), "", growth(loads)]


def growth(loads: Sequence[Load]) -> str:
    """How memory grew from the second part, when it has its size, to the last."""
    first, last = (statistics.median(loads[index].memory) / MB for index in (1, -1))
    return f"Memory, median of part 2: {first:.0f} MB; of part {len(loads)}: {last:.0f} MB"


def asked() -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description="kakusan serve under load")
    parser.add_argument("--model", default="builtin", help="that draws")
    parser.add_argument("--clients", type=whole, default=8, help="that draw at a time")
    parser.add_argument("--jobs", type=whole, default=2, help="of each client in a round")
    parser.add_argument("--steps", type=whole, default=25, help="of a job")
    parser.add_argument("--size", type=whole, default=128, help="of a picture's sides in pixels")
    parser.add_argument("--rounds", type=whole, default=5, help="of each way")
    parser.add_argument("--soak", type=float, metavar="MINUTES", help="instead, for so long")
    rest = "seconds for which a client of a soak rests between two jobs, on average"
    parser.add_argument("--rest", type=float, default=0.0, metavar="SECONDS", help=rest)
    return parser.parse_args()


def whole(text: str) -> int:
    """A number that is at least 1."""
    if (number := int(text)) < 1:
        raise ValueError
    return number


def main() -> int:
    """Measure and print."""
    options = asked()
    with tempfile.TemporaryDirectory() as folder:
        measure = compare if options.soak is None else soak
        try:
            lines = measure(options, Path(folder))
        except LoadError as error:
            print(f"benchmarks.server_load: {error}", file=sys.stderr)
            return 1
    print(f"{environment()}; {options.clients} clients, {options.steps} steps, ", end="")
    print(f"{options.size} x {options.size} pixels; ", end="")
    peak = matrix_peak(torch.float32, torch.device("cpu"))
    print(f"float32 matrix peak after it: {peak / 1e12:.2f} TFLOP/s\n")
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
