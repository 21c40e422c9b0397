"""What a picture takes while another process keeps one core busy, with one thread and with all.

    python -m benchmarks.busy [--beside OTHER/src] [--rounds 7]

Every tree of sources has a process for each number of threads. Their runs take turns, idle and busy
ones alike; the table has medians, and their ratios to this tree's idle run with all threads.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import product
from pathlib import Path

import torch

from benchmarks.measure import environment, markdown_table
from benchmarks.v1_4 import UNET

ROOT = Path(__file__).parents[1]
CASES = {"picture": "built-in model, 25 steps", "call": "UNet call of v1.4's size, batch 2"}
# Ends with its parent, however that ends
SPINNING = """
import os, sys
while os.getppid() == int(sys.argv[1]):
    sum(range(100_000))
"""
PAUSE = 0.3  # seconds before each run, in which threads of the one before go to sleep
HEADER = ("what", "sources", "threads", "idle, s", "busy, s", "idle, ratio", "busy, ratio")

Run = tuple[str, int, bool]  # sources, threads, whether another process is busy


def picture() -> Callable[[], object]:
    """Draws with the built-in model."""
    import kakusan

    return lambda: kakusan.generate("a red apple", seed=7, steps=25, progress=False)


def call() -> Callable[[], object]:
    """Calls a UNet of v1.4's configuration and random weights."""
    from kakusan import UNet2DConditionModel

    torch.manual_seed(0)
    unet = UNet2DConditionModel.from_config(UNET).half()
    unet.prepare()
    inputs = [torch.randn(2, 4, 64, 64), torch.tensor(500), torch.randn(2, 77, 768)]
    inputs = [x.to(unet.compute_dtype) if x.is_floating_point() else x for x in inputs]
    return lambda: unet(*inputs)


@torch.inference_mode()
def serve(case: str) -> None:
    """Answer each line on stdin with the seconds of one run."""
    run = {"picture": picture, "call": call}[case]()
    run()
    print(flush=True)
    for _ in sys.stdin:
        started = time.perf_counter()
        run()
        print(time.perf_counter() - started, flush=True)


@contextmanager
def server(case: str, sources: Path, threads: int) -> Iterator[Callable[[], float]]:
    """A process that runs `case` with the package in `sources`, and says how long it took."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.busy", "--serve", case],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(sources), "OMP_NUM_THREADS": str(threads)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    ask, answers = process.stdin, process.stdout
    answers.readline()

    def seconds() -> float:
        print(file=ask, flush=True)
        return float(answers.readline())

    try:
        yield seconds
    finally:
        process.kill()
        process.communicate()


@contextmanager
def company(busy: bool, *, session: bool) -> Iterator[None]:
    """Within, if `busy`, another process takes what it can get of one core.

    Args:
        session: whether it has a session of its own, which Linux may share cores by.
    """
    if not busy:
        yield
        return
    process = subprocess.Popen(
        [sys.executable, "-c", SPINNING, str(os.getpid())], start_new_session=session
    )
    try:
        time.sleep(PAUSE)
        yield
    finally:
        process.kill()
        process.wait()


def measured(
    case: str, trees: dict[str, Path], threads: list[int], rounds: int, *, session: bool
) -> dict[Run, float]:
    """Median seconds of each run; in every other round they go in reverse order."""
    runs: list[Run] = list(product(trees, threads, (False, True)))
    times: dict[Run, list[float]] = {run: [] for run in runs}
    with ExitStack() as stack:
        ask = {
            (name, count): stack.enter_context(server(case, trees[name], count))
            for name, count in product(trees, threads)
        }
        for i in range(rounds):
            for run in runs if i % 2 == 0 else reversed(runs):
                name, count, busy = run
                with company(busy, session=session):
                    time.sleep(PAUSE)
                    times[run].append(ask[name, count]())
    return {run: statistics.median(values) for run, values in times.items()}


def rows(case: str, medians: dict[Run, float], most: int) -> Iterator[tuple[object, ...]]:
    """The table's rows for one case."""
    whole = medians["this", most, False]
    for name, threads in dict.fromkeys((name, threads) for name, threads, _ in medians):
        both = [medians[name, threads, busy] for busy in (False, True)]
        ratios = (f"{seconds / whole:.2f}" for seconds in both)
        yield CASES[case], name, threads, *(f"{seconds:.2f}" for seconds in both), *ratios


def arguments() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--case", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument(
        "--beside", type=Path, nargs="+", default=[], help="folders src of other trees"
    )
    parser.add_argument("--session", action="store_true", help="let the busy process have its own")
    parser.add_argument("--serve", choices=list(CASES), help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """Print the table."""
    asked = arguments()
    if asked.serve:
        serve(asked.serve)
        return
    trees = {"this": ROOT / "src"} | {str(path): path.resolve() for path in asked.beside}
    most = torch.get_num_threads()
    print(f"{environment()}; medians of {asked.rounds}\n")
    table: list[tuple[object, ...]] = []
    for case in asked.case:
        medians = measured(case, trees, [1, most], asked.rounds, session=asked.session)
        table += rows(case, medians, most)
    print(markdown_table(HEADER, table))


if __name__ == "__main__":
    main()
