"""Weights in blocks beside float16: memory of a whole picture, speed of a UNet call, loss.

    python -m benchmarks.quantized [--steps 4] [--repeats 5] [--folder FOLDER]

A model of v1.4's size with random weights as three single files: float16, q8_0 and q4_0, as
`kakusan models convert` writes them. Fresh processes of the command line draw the same picture from
each, in turn; the most memory that each held is what the system says of it, with pages of the file
that it maps. Then a process for each loads the UNet alone, and they take turns, call by call. The
loss is of the picture and of the call, against float16's. Random weights have learned no picture:
their loss is no more than a likeness of what a trained model loses. The table goes to stdout and to
benchmarks/results/. `--size tiny` tries it out; 4 GB of disk are needed without it.
"""

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from benchmarks.contenders import Contender, finished, surroundings
from benchmarks.environments import PeerError, last_line
from benchmarks.few_steps import SIDES, timed
from benchmarks.measure import environment, markdown_table, relative_error
from benchmarks.parts import PROMPT
from benchmarks.results import keep
from benchmarks.turns import Run, Worker, take_turns, warm

PYTHON = Path(sys.executable)
WORKER = "benchmarks.quantized_worker"
FILES = {"float16": "float16.safetensors", "q8_0": "q8_0.gguf", "q4_0": "q4_0.gguf"}
# What the project holds itself to: bytes of q8_0's process, and its share of float16's speed
MOST_MEMORY = 2.1e9
LEAST_SPEED = 0.9


@dataclass
class Row:
    """What came of one file, or why nothing did."""

    name: str
    file: int  # bytes
    seconds: list[float] = field(default_factory=list)
    peak: list[int] = field(default_factory=list)
    calls: list[float] = field(default_factory=list)
    psnr: float | None = None  # dB, of the picture
    error: float | None = None  # of the UNet call
    failure: str = ""


def write_models(folder: Path, size: str) -> None:
    """The folder's three files, by commands: what this process held would count as its children's.

    Raises:
        PeerError: A command did not end well.
    """
    model = folder / "model"
    if not (model / "model_index.json").exists():
        _told(PYTHON, "-m", "benchmarks.v1_4", model, "--size", size)
    for name, file in FILES.items():
        if not (folder / file).exists():
            form = () if name == "float16" else ("--quantize", name)
            _told(PYTHON, "-m", "kakusan", "models", "convert", model, folder / file, *form)


def _told(*command: object) -> None:
    print(f"running {' '.join(map(str, command[2:5]))} ...", file=sys.stderr, flush=True)
    done = finished(command, None)
    if done.returncode:
        raise PeerError(f"ended with {done.returncode}: {last_line(done.stderr)}")


def command_of(name: str, folder: Path, steps: int, picture: Path) -> list[str]:
    """kakusan's own command that draws the picture of a file."""
    options = {
        "--model": folder / FILES[name],
        "--dtype": "float16",
        "--steps": steps,
        "--seed": 1,
        "-o": picture,
    }
    words = [str(word) for pair in options.items() for word in pair]
    return [str(PYTHON), "-m", "kakusan", "generate", PROMPT, *words]


def measure_pictures(rows: Sequence[Row], folder: Path, arguments: argparse.Namespace) -> None:
    """Fresh processes in turn; the first of each brings files into the page cache."""
    for i in range(1 + arguments.pictures):
        for row in rows if i % 2 == 0 else reversed(rows):
            if row.failure:
                continue
            picture = folder / f"{row.name}.png"
            try:
                command = command_of(row.name, folder, arguments.steps, picture)
                seconds, peak = timed(command, picture, arguments.isa)
            except PeerError as error:
                row.failure = str(error)
                continue
            print(f"{row.name}: {seconds:.1f} s, {peak / 1e9:.2f} GB", file=sys.stderr, flush=True)
            if i > 0:
                row.seconds.append(seconds)
                row.peak.append(peak)
    for row in rows[1:]:
        if not row.failure and not rows[0].failure:
            row.psnr = psnr(folder / f"{row.name}.png", folder / f"{rows[0].name}.png")


def psnr(picture: Path, expected: Path) -> float:
    """Of the levels of two PNG files, in dB; infinite where they are equal."""
    import numpy as np
    from PIL import Image

    one, other = (np.asarray(Image.open(each), dtype=float) for each in (picture, expected))
    squared = float(np.square(one - other).mean())
    return 10 * float(np.log10(255**2 / squared)) if squared else float("inf")


def measure_calls(rows: Sequence[Row], folder: Path, arguments: argparse.Namespace) -> None:
    """Calls of the UNet alone, all files' processes taking turns."""
    runs = [_run(row, folder, arguments) for row in rows]
    outputs = [folder / f"{row.name}.pt" for row in rows]
    try:
        for run, output in zip(runs, outputs, strict=True):
            warm(run, output)
        take_turns(runs, arguments.repeats)
    finally:
        for run in runs:
            run.end()
    for row, run in zip(rows, runs, strict=True):
        row.calls, row.failure = run.seconds, run.failure
    if not rows[0].failure:
        expected = torch.load(outputs[0])
        for row, output in zip(rows[1:], outputs[1:], strict=True):
            row.error = None if row.failure else relative_error(torch.load(output), expected)


def _run(row: Row, folder: Path, arguments: argparse.Namespace) -> Run:
    contender = Contender(name=row.name, library="kakusan", dtype="float16")
    task = {"file": str(folder / FILES[row.name]), "side": SIDES[arguments.size] // 8}
    variables = surroundings(contender, arguments.isa)
    start = lambda: Worker(PYTHON, task, variables, WORKER)  # noqa: E731
    return Run(contender, start=start, failure=row.failure)


def report(results: dict[str, Any], rows: Sequence[Row]) -> str:
    """The machine, the table, and how far the goals are met."""
    plain = rows[0]
    table: list[list[str]] = []
    for row in rows:
        if row.failure:
            table.append([row.name, row.failure, *["–"] * 6])
            continue
        cells = [f"{row.file / 1e9:.2f}", f"{statistics.median(row.peak) / 1e9:.2f}"]
        cells += [f"{statistics.median(row.seconds):.1f}", f"{statistics.median(row.calls):.3f}"]
        cells.append(f"{speed(row, plain):.3f}" if not plain.failure else "–")
        cells.append("–" if row.psnr is None else f"{row.psnr:.1f}")
        cells.append("–" if row.error is None else f"{row.error:.2g}")
        table.append([row.name, *cells])
    header = ["", "file, GB", "process, GB", "picture, s", "UNet call, s", "speed, of float16's"]
    header += ["picture's PSNR, dB", "call's error"]
    lines = [
        f"{results['machine']}; {results['side']}×{results['side']} pixels, {results['steps']} "
        f"steps; medians of {results['pictures']} pictures and {results['repeats']} calls",
        f"One-minute load before and after: {results['load_before']:.2f}, "
        f"{results['load_after']:.2f}.",
        markdown_table(header, table),
        goals(rows[1], plain),
    ]
    return "\n\n".join(line for line in lines if line) + "\n"


def speed(row: Row, plain: Row) -> float:
    """The share of float16's speed, from calls of the same rounds."""
    return statistics.median(plain.calls) / statistics.median(row.calls)


def goals(row: Row, plain: Row) -> str:
    """How q8_0 stands to what the project holds itself to."""
    if row.failure or plain.failure:
        return ""
    return (
        f"- memory: {statistics.median(row.peak) / 1e9:.2f} GB with {row.name}; the goal is at "
        f"most {MOST_MEMORY / 1e9:g}\n"
        f"- speed: {speed(row, plain):.3f} of float16's with {row.name}; the goal is at least "
        f"{LEAST_SPEED:g}"
    )


def parse_arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="weights in blocks beside float16")
    parser.add_argument("--steps", type=int, default=4, help="of a whole picture")
    parser.add_argument("--pictures", type=int, default=3, help="repeats of whole pictures")
    parser.add_argument("--repeats", type=int, default=5, help="of a UNet call")
    parser.add_argument("--isa", choices=("avx2", "avx512", "avx512_bf16"), help="mask all above")
    parser.add_argument("--size", choices=tuple(SIDES), default="v1.4")
    parser.add_argument("--folder", type=Path, help="weights kept between runs; else temporary")
    parser.add_argument("--results", type=Path, help="default: benchmarks/results, none for tiny")
    return parser.parse_args(words)


def measure(arguments: argparse.Namespace, folder: Path) -> tuple[dict[str, Any], list[Row]]:
    """Everything the command measures."""
    write_models(folder, arguments.size)
    rows = [Row(name, (folder / file).stat().st_size) for name, file in FILES.items()]
    results: dict[str, Any] = {
        "machine": environment(),
        "isa": arguments.isa,
        "size": arguments.size,
        "side": SIDES[arguments.size],
        **{name: getattr(arguments, name) for name in ("steps", "pictures", "repeats")},
        "load_before": os.getloadavg()[0],
    }
    measure_pictures(rows, folder, arguments)
    measure_calls(rows, folder, arguments)
    results |= {"load_after": os.getloadavg()[0], "rows": [vars(row) for row in rows]}
    return results, rows


def main() -> None:
    """Write the files if they are not there, measure, and keep what was found."""
    arguments = parse_arguments()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (arguments.folder or Path(temporary)).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        results, rows = measure(arguments, folder)
    trial = arguments.size == "tiny"
    keep("quantized", results, report(results, rows), arguments.results, trial=trial)


if __name__ == "__main__":
    main()
