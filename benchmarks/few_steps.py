"""Four steps of a latent consistency model with TAESD, from the command to the picture.

    python -m benchmarks.few_steps [--repeats 5] [--environments FOLDER] [--folder FOLDER]

This is what somebody without a GPU runs. kakusan is its command line; beside it the shortest
programs of OpenVINO (through optimum-intel, as FastSD CPU has it, and its own GenAI) and of
diffusers do the same work: 512x512 pixels, v1.4-sized random weights stored in float16. First
fresh processes, in turn, from their start to the written file, with the most memory each held;
then pictures of processes that have loaded and drawn once, kakusan and one peer at a time. The
table goes to stdout and to benchmarks/results/. `--size tiny` tries it out.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.contenders import ROOT, Contender, best_dtype, surroundings
from benchmarks.environments import PeerError, last_line, python_of
from benchmarks.few_steps_programs import CONVERTED, GUIDANCE, MODEL, PROMPT, STEPS, TINY
from benchmarks.measure import environment, markdown_table
from benchmarks.peers import ENVIRONMENTS, matrix_peak_of
from benchmarks.results import keep
from benchmarks.turns import Run, Worker, take_turns
from benchmarks.v1_4 import write_lcm_checkpoint, write_tiny_vae

SIDES = {"v1.4": 512, "tiny": 128}
PROGRAMS = "benchmarks.few_steps_programs"
# Of OpenVINO's through optimum-intel: what the project holds itself to
GOALS = {"command": 0.6, "warm": 0.9, "memory": 0.7}
JUDGED_BY = "optimum"


@dataclass
class Row:
    """One library's numbers, or why there are none."""

    name: str
    library: str  # of `few_steps_programs`
    environment: str  # of `contenders.PACKAGES`
    dtype: str
    seconds: list[float] = field(default_factory=list)
    peak: list[int] = field(default_factory=list)
    warm: list[float] = field(default_factory=list)
    beside: list[float] = field(default_factory=list)  # kakusan's pictures of the same rounds
    failure: str = ""


def everyone(dtype: str, best: str) -> list[Row]:
    """kakusan first; diffusers in the precision that this processor is fastest in."""
    return [
        Row(f"kakusan {dtype}", "kakusan", "kakusan", dtype),
        Row("OpenVINO, optimum-intel", "optimum", "openvino_pipelines", dtype),
        Row("OpenVINO GenAI", "genai", "openvino_pipelines", dtype),
        Row(f"diffusers {best}", "diffusers", "diffusers", best),
    ]


def write_models(folder: Path, size: Any, environments: Path) -> None:
    """The folder of both models, in the published layout and in OpenVINO's form."""
    if not (folder / MODEL / "model_index.json").exists():
        write_lcm_checkpoint(folder / MODEL, size)
        write_tiny_vae(folder / TINY)
    if not (folder / CONVERTED).exists():
        python = python_of("openvino_pipelines", environments)
        paths = [str(folder / name) for name in (MODEL, TINY, CONVERTED)]
        command = [str(python), "-m", "benchmarks.openvino_lcm", *paths]
        subprocess.run(command, cwd=ROOT, env=surroundings(None, None), check=True)


def command_of(row: Row, python: Path, folder: Path, side: int, file: Path) -> list[str]:
    """The command that draws: kakusan's own, or the shortest program of a peer."""
    if row.library != "kakusan":
        task = {**task_of(row, folder, side), "file": str(file)}
        return [str(python), "-m", PROGRAMS, json.dumps(task)]
    options = {
        "--model": folder / MODEL,
        "--vae": folder / TINY,
        "--steps": STEPS,
        "--guidance": GUIDANCE,
        "--dtype": row.dtype,
        "--seed": 1,
        "-o": file,
    }
    words = [str(word) for pair in options.items() for word in pair]
    return [str(python), "-m", "kakusan", "generate", PROMPT, *words]


def task_of(row: Row, folder: Path, side: int) -> dict[str, Any]:
    """What `few_steps_programs` is told."""
    return {"library": row.library, "folder": str(folder), "dtype": row.dtype, "side": side}


def timed(command: Sequence[str], file: Path, isa: str | None) -> tuple[float, int]:
    """Seconds of one process from start to end, and the most bytes that it held.

    Raises:
        PeerError: It did not end well, or wrote no picture.
    """
    file.unlink(missing_ok=True)
    with tempfile.TemporaryFile() as errors:
        started = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=surroundings(None, isa),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode or not file.exists():
            errors.seek(0)
            words = last_line(errors.read().decode(errors="replace"))
            raise PeerError(f"ended with {process.returncode}: {words}")
    return seconds, used.ru_maxrss * 1024


def measure_commands(
    rows: Sequence[Row], folder: Path, side: int, arguments: argparse.Namespace
) -> None:
    """Fresh processes in turn; the first of each brings files into the page cache."""
    for i in range(1 + arguments.repeats):
        for row in rows if i % 2 == 0 else reversed(rows):
            if row.failure:
                continue
            try:
                python = python_of(row.environment, arguments.environments)
                file = folder / f"{row.library}.png"
                command = command_of(row, python, folder, side, file)
                seconds, peak = timed(command, file, arguments.isa)
            except PeerError as error:
                row.failure = str(error)
                continue
            print(f"{row.name}: {seconds:.1f} s, {peak / 1e9:.2f} GB", file=sys.stderr, flush=True)
            if i > 0:
                row.seconds.append(seconds)
                row.peak.append(peak)


def measure_warm(
    rows: Sequence[Row], folder: Path, side: int, arguments: argparse.Namespace
) -> None:
    """kakusan and one peer at a time, picture by picture."""
    ours, *peers = rows
    for peer in peers:
        if ours.failure or peer.failure:
            continue
        runs = [_run(row, folder, side, arguments) for row in (ours, peer)]
        try:
            for run in runs:
                run.attempt(_first_picture)
            take_turns(runs, arguments.repeats)
        finally:
            for run in runs:
                run.end()
        peer.failure = runs[1].failure
        peer.warm, peer.beside = runs[1].seconds, runs[0].seconds
        ours.warm += runs[0].seconds


def _first_picture(worker: Worker) -> None:
    worker.heard()


def _run(row: Row, folder: Path, side: int, arguments: argparse.Namespace) -> Run:
    contender = Contender(name=row.name, library=row.library, dtype=row.dtype)
    python, task = python_of(row.environment, arguments.environments), task_of(row, folder, side)
    variables = surroundings(contender, arguments.isa)
    return Run(contender, start=lambda: Worker(python, task, variables, PROGRAMS))


def median(values: Sequence[float]) -> float:
    """NaN of nothing."""
    return statistics.median(values) if values else float("nan")


def shares(ours: Row, row: Row) -> dict[str, float]:
    """kakusan's share of a peer's time and memory."""
    return {
        "command": median(ours.seconds) / median(row.seconds),
        "warm": median(row.beside) / median(row.warm),
        "memory": median(ours.peak) / median(row.peak),
    }


def report(results: dict[str, Any], rows: Sequence[Row]) -> str:
    """The machine, the table, and how far the goals are met."""
    ours = rows[0]
    table: list[list[str]] = []
    for row in rows:
        if row.failure:
            table.append([row.name, row.failure, *["–"] * 5])
            continue
        share = shares(ours, row)
        cells = [f"{median(row.seconds):.2f}", f"{median(row.warm):.2f}"]
        cells.append(f"{median(row.peak) / 1e9:.2f}")
        if row is not ours:
            cells += [f"{share[name]:.3f}" for name in GOALS]
        table.append([row.name, *cells, *["–"] * (6 - len(cells))])
    header = ["", "command, s", "warm, s", "memory, GB", *(f"kakusan's {name}" for name in GOALS)]
    peaks = ", ".join(f"{dtype} {value / 1e12:.3f}" for dtype, value in results["peaks"].items())
    judge = next(row for row in rows if row.library == JUDGED_BY)
    goals = [
        f"- {name}: {shares(ours, judge)[name]:.3f} of {judge.name}; the goal is {goal:g}"
        for name, goal in GOALS.items()
        if not judge.failure
    ]
    lines = [
        f"{results['machine']}; {STEPS} steps, {results['side']}×{results['side']} pixels; medians "
        f"of {results['repeats']}",
        f"Matrix peak, TFLOP/s: {peaks}. One-minute load before and after: "
        f"{results['load_before']:.2f}, {results['load_after']:.2f}.",
        markdown_table(header, table),
        "\n".join(goals),
    ]
    return "\n\n".join(lines) + "\n"


def parse_arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="LCM in four steps with TAESD, beside peers")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--dtype", default="float16", help="how kakusan stores weights")
    parser.add_argument("--isa", choices=("avx2", "avx512", "avx512_bf16"), help="mask all above")
    parser.add_argument("--size", choices=("v1.4", "tiny"), default="v1.4")
    parser.add_argument("--environments", type=Path, default=ENVIRONMENTS)
    parser.add_argument("--folder", type=Path, help="weights kept between runs; else temporary")
    parser.add_argument("--results", type=Path, help="default: benchmarks/results, none for tiny")
    return parser.parse_args(words)


def main() -> None:
    """Write the models if they are not there, measure, and keep what was found."""
    arguments = parse_arguments()
    rows = everyone(arguments.dtype, best_dtype(arguments.isa))
    with tempfile.TemporaryDirectory() as temporary:
        folder = (arguments.folder or Path(temporary)).absolute()
        side = SIDES[arguments.size]
        write_models(folder, arguments.size, arguments.environments)
        results: dict[str, Any] = {
            "machine": environment(),
            "isa": arguments.isa,
            "size": arguments.size,
            "side": side,
            "repeats": arguments.repeats,
            "load_before": os.getloadavg()[0],
        }
        kinds = {"float32", best_dtype(arguments.isa)}
        results["peaks"] = {dtype: matrix_peak_of(dtype, arguments.isa) for dtype in sorted(kinds)}
        measure_commands(rows, folder, side, arguments)
        measure_warm(rows, folder, side, arguments)
    results |= {"load_after": os.getloadavg()[0], "rows": [vars(row) for row in rows]}
    trial = arguments.size == "tiny"
    keep("few-steps", results, report(results, rows), arguments.results, trial=trial)


if __name__ == "__main__":
    main()
