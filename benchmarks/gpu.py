"""v1.4's or SDXL's size on a CUDA machine: UNet calls, VAE decode, pictures one and more at once.

    python -m benchmarks.gpu [--quick] [--dtype bfloat16] [--minutes 8] [--size xl]

kakusan takes turns with diffusers, as installed and compiled, on the same random weights; where
diffusers is not installed its rows say so. Errors are against kakusan in float32, on the CPU at
v1.4's size and on the device at SDXL's. The table is printed, and with the numbers as JSON written
under benchmarks/results/. Whoever fails is a row that says why, and what the time is not enough
for is left out.
`--device cpu --size tiny` tries it out anywhere.
"""

import argparse
import gc
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks import v1_4, xl
from benchmarks.gpu_contenders import CONTENDERS, Ready
from benchmarks.gpu_table import Row, cells, table
from benchmarks.measure import DTYPES, environment, matrix_peak, relative_error, synchronize
from benchmarks.parts import CPU, PARTS, added, has_reference, measures
from benchmarks.results import keep

# Of the pictures whose latents are compared: a float32 run on the CPU takes seconds a step
CHECK_STEPS = 4
NONE = "–"


@dataclass(frozen=True)
class Job:
    """One thing that is measured of every contender.

    Attributes:
        kind: "decode", "unet" or "pictures".
        count: pictures at once.
        flop: what it takes at v1.4's size.
        bind: a run of it, and a run of what is compared, for a contender and so many pictures.
    """

    kind: str
    name: str
    count: int
    flop: float
    bind: Callable[[Ready, int], tuple[Callable[[], Any], Callable[[], Tensor]]]


def jobs(folder: Path, steps: int, batches: list[int]) -> list[Job]:
    """Each with inputs that are the same for everyone, and for each picture of a batch."""
    width, side = measures(folder)
    rows, timestep, text = PARTS["unet"].inputs(width, side)
    beside = added(folder)
    cost = v1_4 if beside is None else xl
    (latents,) = PARTS["decode"].inputs(width, side)

    def decode(ready: Ready, count: int) -> tuple[Callable[[], Any], Callable[[], Tensor]]:
        call = partial(ready.decode, ready.placed(latents, count))
        return call, call

    def unet(ready: Ready, count: int) -> tuple[Callable[[], Any], Callable[[], Tensor]]:
        more = (ready.placed(tensor, count) for tensor in beside or ())
        shown = ready.placed(rows, count), timestep.to(ready.device), ready.placed(text, count)
        call = partial(ready.unet, *shown, *more)
        return call, call

    def pictures(ready: Ready, count: int) -> tuple[Callable[[], Any], Callable[[], Tensor]]:
        draw = partial(ready.pictures, ready.placed(latents, count))
        return partial(draw, steps, "pil"), partial(draw, CHECK_STEPS, "latent")

    found = [Job("decode", "VAE decode", 1, cost.DECODE_FLOP, decode)]
    for n in batches:
        found.append(Job("unet", f"UNet call, {2 * n} rows", n, n * cost.UNET_FLOP, unet))
        name = f"{n} picture{'s' if n > 1 else ''}, {steps} steps"
        calls = steps + (beside is None)  # v1.4's PNDM makes one call more than steps
        flop = n * (calls * cost.UNET_FLOP + cost.DECODE_FLOP)
        found.append(Job("pictures", name, n, flop, pictures))
    return found


class Bench:
    """Contenders that are made ready once, and rows that fill up whatever happens to one."""

    def __init__(self, arguments: argparse.Namespace, folder: Path) -> None:
        self.folder, self.dtype = folder, arguments.dtype
        self.device = torch.device(arguments.device)
        self.repeats = arguments.repeats
        self._end = time.monotonic() + 60 * arguments.minutes
        self._ready: dict[str, Ready] = {}
        self._calls: dict[str, Callable[[], Any]] = {}
        judge = self.device if arguments.size == "xl" else CPU
        self._reference = Ready(CONTENDERS["kakusan, float32"], folder, "float32", judge)
        self._expected: dict[str, Tensor] = {}

    def rows(self, job: Job, names: list[str]) -> list[Row]:
        """One for each contender that takes part, with times of calls that took turns."""
        taking_part = [n for n in names if CONTENDERS[n].takes_part(job.kind, job.count)]
        rows = {name: Row(job.name, name, job.flop) for name in taking_part}
        if job.kind not in self._expected:
            self._expected[job.kind] = job.bind(self._reference, 1)[1]().cpu()
        for row in rows.values():
            self._guarded(row, self._first_call, job)
        for i in range(self.repeats):
            for name in taking_part if i % 2 == 0 else reversed(taking_part):
                self._guarded(rows[name], self._timed_call)
        return list(rows.values())

    def _guarded(self, row: Row, what: Callable[..., None], *arguments: Any) -> None:
        """Do it unless this contender failed before or the time is up; note what goes wrong."""
        late = time.monotonic() > self._end
        if late and not row.seconds and row.failure is None:
            row.failure = "no time left"
        if late or row.failure is not None:
            return
        try:
            what(row, *arguments)
        except Exception as error:  # a peer may fail in any way
            lines = str(error).strip().splitlines()
            row.failure = f"{type(error).__name__}: {lines[0] if lines else ''}"[:150]
            self._ready.pop(row.contender, None)
        gc.collect()

    def _first_call(self, row: Row, job: Job) -> None:
        """With all that a contender does but once: compile, record, choose algorithms."""
        name = row.contender
        if name not in self._ready:
            self._ready[name] = Ready(CONTENDERS[name], self.folder, self.dtype, self.device)
        self._calls[name], check = job.bind(self._ready[name], job.count)
        synchronize(self.device)
        started = time.perf_counter()
        found = check()
        self._calls[name]()
        synchronize(self.device)
        row.first = time.perf_counter() - started
        one = self._expected[job.kind]
        row.error = relative_error(found.cpu(), one.repeat(job.count, 1, 1, 1))

    def _timed_call(self, row: Row) -> None:
        """Time it; of the device's memory, count this contender's networks and what it took."""
        ready, there = self._ready[row.contender], 0
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
            there = torch.cuda.memory_allocated(self.device) - ready.resident()
        synchronize(self.device)
        started = time.perf_counter()
        self._calls[row.contender]()
        synchronize(self.device)
        row.seconds.append(time.perf_counter() - started)
        if self.device.type == "cuda":
            row.memory = torch.cuda.max_memory_allocated(self.device) - there


def measure(arguments: argparse.Namespace, folder: Path) -> tuple[dict[str, Any], str]:
    """The numbers, and the text that shows them."""
    device, tiny = torch.device(arguments.device), arguments.size == "tiny"
    size = 8192 if device.type == "cuda" else 256
    peaks = {name: matrix_peak(DTYPES[name], device, size) for name in {arguments.dtype, "float32"}}
    bench, rows = Bench(arguments, folder), list[Row]()
    for job in jobs(folder, arguments.steps, arguments.batch):
        for row in bench.rows(job, arguments.contender):
            rows.append(row)
            print(*cells(row, None, peaks[arguments.dtype], tiny=tiny), sep="; ", file=sys.stderr)
    peak = f"{arguments.dtype} matrix peak {peaks[arguments.dtype] / 1e12:.1f} TFLOP/s"
    trial = "; tiny networks, times mean nothing" if tiny else ""
    judge = "the device" if arguments.size == "xl" else "the CPU"
    text = (
        f"{environment(device)}; {peak}; medians of {arguments.repeats}{trial}\n\n"
        f"{table(rows, peaks, arguments.dtype, tiny=tiny)}\n\n"
        f"Errors: length of the difference from float32 on {judge} over length of that; of "
        f"pictures, of the latents after {CHECK_STEPS} steps.\n"
    )
    results = {
        "machine": environment(device),
        "dtype": arguments.dtype,
        "size": arguments.size,
        "steps": arguments.steps,
        "peaks": peaks,
        "rows": [asdict(row) for row in rows],
    }
    return results, text


def write_models(folder: Path, size: Any, device: torch.device) -> None:
    """Random weights of that size."""
    if size == "xl":
        xl.write_checkpoint(folder, device)
    elif has_reference():
        v1_4.write_checkpoint(folder, size)
    else:
        v1_4.write_with_kakusan(folder, size)


def parse_arguments(given: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="UNet, VAE and pictures on a CUDA machine")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--size", choices=("v1.4", "xl", "tiny"), default="v1.4")
    parser.add_argument("--dtype", choices=tuple(DTYPES), default="bfloat16")
    parser.add_argument(
        "--contender",
        nargs="+",
        choices=tuple(CONTENDERS),
        help="all where not given, but for kakusan compiled, which takes minutes more",
    )
    parser.add_argument("--batch", nargs="+", type=int, default=[1, 8], help="pictures at once")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--minutes", type=float, default=8, help="after which no more is begun")
    parser.add_argument("--quick", action="store_true", help="one picture, 10 steps, no compiling")
    parser.add_argument("--folder", type=Path, help="weights kept between runs; else temporary")
    parser.add_argument("--results", type=Path, help="folder for the table and the numbers")
    arguments = parser.parse_args(given)
    if arguments.quick:
        arguments.batch, arguments.steps, arguments.repeats = [1], 10, 3
    if arguments.contender is None:
        left_out = {"kakusan, compiled", *(["diffusers, compiled"] if arguments.quick else [])}
        arguments.contender = [name for name in CONTENDERS if name not in left_out]
    return arguments


def main(given: list[str] | None = None) -> int:
    """Write the weights if they are not there, measure, print the table and keep it."""
    arguments = parse_arguments(given)
    device = torch.device(arguments.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        print("benchmarks.gpu needs a CUDA device, and torch finds none here", file=sys.stderr)
        return 1
    torch.backends.cudnn.allow_tf32 = False
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        if not (folder / "model_index.json").is_file():
            write_models(folder, arguments.size, device)
        results, text = measure(arguments, folder)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else ""
    kind = f"gpu xl {name}" if arguments.size == "xl" else f"gpu {name}"
    keep(kind, results, text, arguments.results, trial=arguments.size == "tiny")
    return 0


if __name__ == "__main__":
    sys.exit(main())
