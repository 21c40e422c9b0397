"""How time and memory grow with size, batch, steps and the number of prompts.

    python -m benchmarks.growth [--quick] [--steps 4] [--repeats 3] [--largest 1024]

Every point has a process of its own, so that its peak (Linux's VmHWM) is its own. Before it is
measured, a small picture of one step has read and packed every weight: what the point takes beyond
that is its work's memory. Pictures are decoded as for any user: whole, or in tiles where memory is
short, which the table says. Tables and checks go to stdout and to benchmarks/results/. `--quick`
takes tiny networks and fewer points.
"""

import argparse
import itertools
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.contenders import best_dtype, finished
from benchmarks.measure import DTYPES, environment, markdown_table, peak_memory
from benchmarks.parts import PROMPT, pipeline
from benchmarks.results import keep
from benchmarks.v1_4 import write_with_kakusan
from kakusan.engine.portions import pixel_bytes

AXES = {
    "size": (256, 512, 768, 1024, 1536, 2048),
    "batch": (1, 2, 4, 8),
    "steps": (1, 2, 4, 8, 16),
    "prompts": (1, 2, 4),
}
QUICK_AXES = {"size": (128, 256, 512), "batch": (1, 4), "steps": (1, 4), "prompts": (1, 2)}
SMALLEST = 64  # pixels: the picture that is drawn before a point is measured
MEMORY_NOISE = 1.1  # how far above the growth of the pixels memory may measure
TIME_NOISE = 0.97  # how far below one at a time four together may measure


@dataclass(frozen=True, kw_only=True)
class Point:
    """One amount of work."""

    size: int
    batch: int = 1
    steps: int
    prompts: int = 1

    @property
    def pictures(self) -> int:
        return self.batch * self.prompts


def points(axis: str, base: Point, *, quick: bool) -> list[Point]:
    """The base with one of its amounts changed."""
    values = (QUICK_AXES if quick else AXES)[axis]
    return [replace(base, **{axis: value}) for value in values]


def draw_here(point: Point, folder: Path, dtype: str, repeats: int) -> dict[str, Any]:
    """Draw a point's pictures in this process; seconds of each time and bytes of memory."""
    pipe = pipeline("kakusan", folder, DTYPES[dtype])
    pipe(PROMPT, SMALLEST, SMALLEST, num_inference_steps=1, seed=0)
    floor, seconds, notes = peak_memory(), list[float](), set[str]()
    for _ in range(repeats):
        started = time.perf_counter()
        output = pipe(
            [PROMPT] * point.prompts,
            point.size,
            point.size,
            num_inference_steps=point.steps,
            num_images_per_prompt=point.batch,
            batch_size=point.batch,
            seed=0,
        )
        seconds.append(time.perf_counter() - started)
        notes.update(note for record in output.records for note in record["notes"])
    device = pipe.device
    return {
        "seconds": seconds,
        "floor": floor,
        "peak": peak_memory(),
        "tiled": any("in tiles" in note for note in notes),
        "planned": pixel_bytes(pipe.vae, pipe.vae.compute_dtype, device) * point.size**2,
    }


def draw(point: Point, folder: Path, dtype: str, repeats: int) -> dict[str, Any]:
    """The same in a fresh process; "failure" says why there are no numbers."""
    task = json.dumps({"point": asdict(point), "dtype": dtype, "repeats": repeats})
    command = [sys.executable, "-m", "benchmarks.growth", "--folder", str(folder), "--one", task]
    done = finished(command, None)
    found: dict[str, Any] = asdict(point) | {"pictures": point.pictures}
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no word"]
        return found | {"failure": f"ended with {done.returncode}: {lines[-1][:200]}"}
    return found | json.loads(done.stdout.splitlines()[-1])


def cells(axis: str, row: dict[str, Any]) -> list[str]:
    """One line of a table."""
    if "failure" in row:
        return [str(row[axis]), row["failure"], *["–"] * 4]
    seconds = statistics.median(row["seconds"])
    return [
        str(row[axis]),
        f"{seconds:.2f}",
        f"{seconds / row['pictures']:.2f}",
        f"{row['peak'] / 1e9:.2f}",
        f"{(row['peak'] - row['floor']) / 1e9:.2f}",
        "in tiles" if row["tiled"] else "whole",
    ]


def memory_checks(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """From each size to the next, memory beyond the floor must not outgrow the pixels."""
    known = [row for row in rows if "failure" not in row]
    for smaller, larger in itertools.pairwise(known):
        taken, more = (row["peak"] - row["floor"] for row in (smaller, larger))
        pixels = (larger["size"] / smaller["size"]) ** 2
        word = "not faster" if more <= MEMORY_NOISE * pixels * taken else "FASTER"
        grown = f"{more / taken:.2f}" if taken else "from nothing"
        yield (
            f"{smaller['size']} to {larger['size']}: memory grows {grown}, pixels {pixels:.2f}: "
            f"{word} than the pixels"
        )


def plan_checks(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """A picture that was decoded whole must not take more than it was planned to."""
    for row in rows:
        if "failure" not in row and not row["tiled"]:
            share = (row["peak"] - row["floor"]) / row["planned"]
            word = "within" if share <= 1 else "BEYOND"
            yield f"{row['size']}: {share:.2f} of what the plan takes for the VAE: {word} the plan"


def size_checks(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """What is checked as the size grows."""
    yield from memory_checks(rows)
    yield from plan_checks(rows)


def throughput_check(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Pictures in a second at batch 4 must be at least those at batch 1."""
    each = {
        row["batch"]: statistics.median(row["seconds"]) / row["pictures"]
        for row in rows
        if "failure" not in row
    }
    if 1 in each and 4 in each:
        gain = each[1] / each[4]
        word = "at least" if gain >= TIME_NOISE else "BELOW"
        yield f"throughput at batch 4: {gain:.3f} of batch 1's, {word} that of batch 1"


def report(results: dict[str, Any]) -> str:
    """A table for each axis, and the checks."""
    blocks = [f"{results['machine']}; {results['dtype']}; medians of {results['repeats']}"]
    for axis, rows in results["axes"].items():
        base = results["base"]
        fixed = ", ".join(f"{name} {value}" for name, value in base.items() if name != axis)
        header = (
            axis,
            "seconds",
            "seconds a picture",
            "peak, GB",
            "beyond the floor, GB",
            "decoded",
        )
        blocks.append(f"## {axis.capitalize()} ({fixed})")
        blocks.append(markdown_table(header, [cells(axis, row) for row in rows]))
        checks = {"size": size_checks, "batch": throughput_check}.get(axis)
        if checks:
            blocks.append("\n".join(f"- {line}" for line in checks(rows)))
    return "\n\n".join(block for block in blocks if block) + "\n"


def measure(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """All points of the wanted axes, as JSON."""
    base = Point(size=256 if arguments.quick else 512, steps=arguments.steps)
    axes: dict[str, list[dict[str, Any]]] = {}
    for axis in arguments.axis:
        axes[axis] = []
        for point in points(axis, base, quick=arguments.quick):
            if point.size > max(arguments.largest, base.size):
                continue
            print(point, file=sys.stderr, flush=True)
            axes[axis].append(draw(point, folder, arguments.dtype, arguments.repeats))
    return {
        "machine": environment(),
        "dtype": arguments.dtype,
        "repeats": arguments.repeats,
        "base": asdict(base),
        "axes": axes,
    }


def main() -> None:
    """Write the weights if they are not there, measure, and keep what was found."""
    parser = argparse.ArgumentParser(description="time and memory as the work grows")
    parser.add_argument("--axis", nargs="+", choices=tuple(AXES), default=list(AXES))
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--dtype", choices=tuple(DTYPES), default=best_dtype(None))
    parser.add_argument("--quick", action="store_true", help="tiny networks, few points")
    parser.add_argument("--largest", type=int, default=max(AXES["size"]), help="of the sizes")
    parser.add_argument("--folder", type=Path, help="weights kept between runs; else temporary")
    parser.add_argument("--results", type=Path, help="where to write; default: as `peers` does")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        task = json.loads(arguments.one)
        point = Point(**task["point"])
        print(json.dumps(draw_here(point, arguments.folder, task["dtype"], task["repeats"])))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        if not (folder / "model_index.json").exists():
            write_with_kakusan(folder, "tiny" if arguments.quick else "v1.4")
        results = measure(arguments, folder)
    keep("growth", results, report(results), arguments.results, trial=arguments.quick)


if __name__ == "__main__":
    main()
