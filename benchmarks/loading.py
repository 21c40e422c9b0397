"""How long a v1.4-sized float16 folder takes to load and how much memory, beside the reference.

    python -m benchmarks.loading [--repeats 3] [--folder FOLDER] [--size tiny]

Each load runs in a fresh process, the two libraries in turn, the folder in the page cache for
both. Memory is Linux's VmHWM; what the process held before the load (Python, torch and the
library) is shown beside it. A mapped weight costs nothing until it is read, so each process
also reads every weight once: those seconds and bytes are counted in the last columns.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks.measure import environment, markdown_table, peak_memory
from benchmarks.v1_4 import write_checkpoint

LIBRARIES = ("diffusers", "kakusan")


def pipeline_class(library: str) -> Any:
    """`StableDiffusionPipeline` of the library, imported to the end."""
    if library == "kakusan":
        from kakusan import StableDiffusionPipeline
    else:
        from diffusers import StableDiffusionPipeline
    return StableDiffusionPipeline


def parts(pipe: Any) -> list[torch.nn.Module]:
    """The networks of a pipeline."""
    return [pipe.text_encoder, pipe.unet, pipe.vae]


def read_every_weight(pipe: Any) -> int:
    """Bring every weight into memory; gives the bytes they take as kept."""
    total = 0
    for part in parts(pipe):
        for weight in part.parameters():
            weight.detach().view(torch.int16).max()
            total += weight.nbytes
    return total


def load_once(library: str, folder: Path) -> dict[str, float]:
    """Load in this process and say what it cost."""
    cls = pipeline_class(library)
    before = peak_memory()
    started = time.perf_counter()
    pipe = cls.from_pretrained(folder, torch_dtype=torch.float16, local_files_only=True)
    loaded = time.perf_counter() - started
    loaded_peak = peak_memory()
    size = read_every_weight(pipe)
    return {
        "before": before,
        "seconds": loaded,
        "peak": loaded_peak,
        "read_seconds": time.perf_counter() - started,
        "read_peak": peak_memory(),
        "size": size,
    }


def load_in_fresh_process(library: str, folder: Path) -> dict[str, float]:
    """The same in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.loading", "--folder", str(folder)]
    result = subprocess.run([*command, "--once", library], stdout=subprocess.PIPE, check=True)
    return json.loads(result.stdout.splitlines()[-1])


def row(library: str, runs: list[dict[str, float]]) -> list[str]:
    """Medians of one library's runs, as cells."""
    middle = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
    gained = middle["read_peak"] - middle["before"]
    return [
        library,
        f"{middle['seconds']:.2f}",
        f"{middle['peak'] / 1e9:.2f}",
        f"{middle['before'] / 1e9:.2f}",
        f"{middle['read_seconds']:.2f}",
        f"{middle['read_peak'] / 1e9:.2f}",
        f"{gained / 1e9:.2f}",
        f"{gained / middle['size']:.3f}",
    ]


HEADER = (
    "library",
    "load, s",
    "peak after loading, GB",
    "before, GB",
    "load and read all, s",
    "peak, GB",
    "peak − before, GB",
    "of the weights' size",
)


def compare(folder: Path, repeats: int) -> str:
    """The table; the libraries take turns, after one load each that is not counted."""
    runs: dict[str, list[dict[str, float]]] = {library: [] for library in LIBRARIES}
    for i in range(1 + repeats):
        for library in LIBRARIES if i % 2 == 0 else reversed(LIBRARIES):
            run = load_in_fresh_process(library, folder)
            if i > 0:
                runs[library].append(run)
    size = runs["kakusan"][0]["size"]
    title = f"{environment()}; weights as kept: {size / 1e9:.3f} GB; medians of {repeats}\n\n"
    return title + markdown_table(HEADER, [row(name, found) for name, found in runs.items()])


def main() -> None:
    """Write the folder if it is not there, then compare."""
    parser = argparse.ArgumentParser(description="loading time and peak memory")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="kept between runs; else a temporary one")
    parser.add_argument("--size", choices=("v1.4", "tiny"), default="v1.4")
    parser.add_argument("--once", choices=LIBRARIES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.once:
        print(json.dumps(load_once(arguments.once, arguments.folder)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        if not (folder / "model_index.json").exists():
            write_checkpoint(folder, arguments.size)
        print(compare(folder, arguments.repeats))


if __name__ == "__main__":
    main()
