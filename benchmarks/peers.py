"""kakusan on this CPU beside its peers, each at its best: UNet call, decode, picture, memory.

    python -m benchmarks.peers [--steps 50] [--repeats 5] [--isa avx2] [--environments FOLDER]

Every peer has a virtual environment, made on the first run, and a process of its own. Processes
take turns, call by call; as many at once as memory holds, kakusan always among them, and each
ratio is taken from calls of the same rounds. The tables go to stdout and, with all numbers as
JSON, to benchmarks/results/. `--size tiny` tries everything out in a minute or two.
"""

import argparse
import gc
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.contenders import (
    INSTRUCTION_SETS,
    Contender,
    best_dtype,
    contenders,
    surroundings,
)
from benchmarks.environments import PeerError, python_of
from benchmarks.first_picture import first_pictures
from benchmarks.measure import DTYPES, environment, relative_error
from benchmarks.parts import has_reference
from benchmarks.report import report
from benchmarks.results import keep
from benchmarks.turns import Run, Worker, starting, take_turns, warm
from benchmarks.v1_4 import write_checkpoint, write_with_kakusan

ENVIRONMENTS = Path.home() / ".cache" / "kakusan-benchmarks"
# For each part at its full size: parameters, and bytes that a call works in beside them
MEMORY = {
    "unet": (0.86e9, 1.5e9),
    "decode": (0.05e9, 3.5e9),
    "picture": (1.07e9, 4.0e9),
    "xl_unet": (2.57e9, 2.5e9),
}
OF_V1 = ("unet", "decode", "picture", "first")


def available_memory() -> float:
    """Bytes that new processes can take."""
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("/proc/meminfo has no MemAvailable line")


def groups(runs: Sequence[Run], part: str, budget: float) -> Iterator[list[Run]]:
    """Runs that fit into `budget` bytes together; the first is in every group, with a peer."""
    parameters, working = MEMORY[part]

    def need(run: Run) -> float:
        # twice: as loaded, and as packed, frozen or converted
        return 2 * parameters * DTYPES[run.contender.dtype].itemsize + working

    ours, group, free = runs[0], [runs[0]], budget - need(runs[0])
    for run in runs[1:]:
        if len(group) > 1 and need(run) > free:
            yield group
            group, free = [ours], budget - need(ours)
        group.append(run)
        free -= need(run)
    yield group


def measure_part(
    part: str, field: Sequence[Contender], arguments: argparse.Namespace, folder: Path
) -> list[dict[str, Any]]:
    """Every contender's row for one part."""
    task = {"part": part, "folder": str(folder), "steps": arguments.steps}
    runs = [prepare(contender, arguments, task) for contender in field]
    files = [folder / f"{part}-{index}.pt" for index in range(len(runs))]
    beside: dict[int, list[float]] = {}
    repeats = arguments.pictures if part == "picture" else arguments.repeats
    try:
        for group in groups(runs, part, arguments.memory):
            for run in group:
                if run.worker is None:
                    warm(run, files[runs.index(run)])
            done = len(runs[0].seconds)
            take_turns(group, repeats)
            for run in group[1:]:
                beside[runs.index(run)] = runs[0].seconds[done:]
                run.end()
    finally:
        for run in runs:
            run.end()
    rows = [row(run, beside.get(index)) for index, run in enumerate(runs)]
    add_errors(rows, files)
    return rows


def prepare(contender: Contender, arguments: argparse.Namespace, task: dict[str, Any]) -> Run:
    """A run whose worker starts later; where its library cannot be installed, a failed one."""
    try:
        python = python_of(contender.library, arguments.environments)
    except PeerError as error:
        return Run(contender, start=_never, failure=str(error))
    return Run(contender, start=starting(python, contender, arguments.isa, task))


def _never() -> Worker:
    raise PeerError("is not installed")


def row(run: Run, beside: list[float] | None) -> dict[str, Any]:
    """A run as JSON; `beside` are kakusan's seconds of the same rounds."""
    return {
        **vars(run.contender),
        "note": run.note,
        "load": run.load,
        "first": run.first,
        "seconds": run.seconds,
        "beside": beside or [],
        "waiting": run.waiting,
        "failure": run.failure,
    }


def add_errors(rows: list[dict[str, Any]], files: Sequence[Path]) -> None:
    """Add each output's distance from the second row's, if that is the reference in float32."""
    known = rows[1]["dtype"] == "float32" and files[1].exists()
    expected = torch.load(files[1]) if known else None
    for found, file in zip(rows, files, strict=True):
        found["error"] = None
        if expected is not None and file.exists():
            found["error"] = relative_error(torch.load(file), expected)


def matrix_peak_of(dtype: str, isa: str | None) -> float:
    """FLOP/s of large matrix products in a process with the same instruction sets."""
    worker = Worker(Path(sys.executable), {"peak": dtype}, surroundings(None, isa))
    try:
        return worker.heard()["peak"]
    finally:
        worker.end()


def measure(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Everything the command measures, as JSON."""
    best = best_dtype(arguments.isa)
    everyone = contenders(best)
    field = everyone[:2] + [
        each for each in everyone[2:] if not any(word in each.name for word in arguments.without)
    ]
    results: dict[str, Any] = {
        "machine": environment(),
        "isa": arguments.isa,
        "size": arguments.size,
        "steps": arguments.steps,
        "load_before": os.getloadavg()[0],
        "peaks": {dtype: matrix_peak_of(dtype, arguments.isa) for dtype in {"float32", best}},
        "parts": {},
    }
    for part in arguments.part:
        if part == "first":
            results["first"] = first_pictures(
                folder, best, arguments.environments, repeats=arguments.pictures, isa=arguments.isa
            )
        else:
            results["parts"][part] = measure_part(part, field, arguments, folder)
        gc.collect()
    return results | {"load_after": os.getloadavg()[0]}


def parse_arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="kakusan beside its peers on this CPU")
    parser.add_argument("--part", nargs="+", choices=OF_V1, default=list(OF_V1))
    parser.add_argument("--repeats", type=int, default=5, help="of a UNet call and a decode")
    parser.add_argument("--pictures", type=int, default=5, help="repeats of whole pictures")
    parser.add_argument("--steps", type=int, default=50, help="of a whole picture")
    parser.add_argument("--isa", choices=tuple(INSTRUCTION_SETS), help="mask everything above")
    parser.add_argument("--size", choices=("v1.4", "tiny"), default="v1.4")
    parser.add_argument("--environments", type=Path, default=ENVIRONMENTS)
    parser.add_argument("--folder", type=Path, help="weights kept between runs; else temporary")
    parser.add_argument("--without", nargs="+", default=[], help="words in names of peers to skip")
    parser.add_argument("--memory", type=float, help="GB for all processes; default: 80 %% of free")
    parser.add_argument("--results", type=Path, help="default: benchmarks/results, none for tiny")
    arguments = parser.parse_args(words)
    arguments.memory = arguments.memory * 1e9 if arguments.memory else 0.8 * available_memory()
    return arguments


def main() -> None:
    """Write the weights if they are not there, measure, and keep what was found."""
    arguments = parse_arguments()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        if not (folder / "model_index.json").exists():
            write = write_checkpoint if has_reference() else write_with_kakusan
            write(folder, arguments.size)
        results = measure(arguments, folder)
    trial = arguments.size == "tiny"
    keep("cpu", results, report(results), arguments.results, trial=trial)


if __name__ == "__main__":
    main()
