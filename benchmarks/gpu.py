"""v1.4's size on a CUDA machine: UNet call, VAE decode and a 50-step picture.

    python -m benchmarks.gpu [--dtype float16 bfloat16] [--repeats 20] [--steps 50]

Where diffusers is installed it takes turns with kakusan on the same random weights; elsewhere
kakusan runs alone. Errors are against the same network in float32 without TF32. The table is
printed and written under benchmarks/results/.
"""

import argparse
import gc
import re
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.measure import (
    DTYPES,
    SPEED_AND_ERROR,
    environment,
    interleaved,
    markdown_table,
    matrix_peak,
    relative_error,
)
from benchmarks.parts import PARTS, TITLES, bind, has_reference, load
from benchmarks.v1_4 import TEXT, write_checkpoint, write_with_kakusan

RESULTS = Path(__file__).parent / "results"
CUDA = torch.device("cuda")
HEADER = ("what", *SPEED_AND_ERROR)


def times(seconds: dict[str, float]) -> list[str]:
    """Cells: the reference's time, ours, and the ratio; a dash where there is no reference."""
    ours, reference = seconds["kakusan"], seconds.get("diffusers")
    if reference is None:
        return ["–", f"{ours:.4f}", "–"]
    return [f"{reference:.4f}", f"{ours:.4f}", f"{ours / reference:.3f}"]


def part_row(
    name: str, dtype_name: str, folder: Path, libraries: list[str], repeats: int
) -> list[str]:
    """One row: a single call of one network."""
    part, dtype, width = PARTS[name], DTYPES[dtype_name], TEXT["hidden_size"]
    expected = bind(part, load(libraries[0], part, folder, torch.float32, CUDA), width)()
    calls = {
        library: bind(part, load(library, part, folder, dtype, CUDA), width)
        for library in libraries
    }
    errors = {library: relative_error(call(), expected) for library, call in calls.items()}
    seconds = interleaved(calls, repeats=repeats, warmup=3, device=CUDA)
    return [
        TITLES[name],
        dtype_name,
        *times(seconds),
        f"{part.flop / seconds['kakusan'] / 1e12:.1f}",
        f"{matrix_peak(dtype, CUDA, 8192) / 1e12:.1f}",
        f"{errors['diffusers']:.2e}" if "diffusers" in errors else "–",
        f"{errors['kakusan']:.2e}",
    ]


def pipeline(library: str, folder: Path, dtype: torch.dtype) -> Any:
    """A quiet pipeline on the GPU."""
    if library == "kakusan":
        from kakusan import StableDiffusionPipeline
    else:
        from diffusers import StableDiffusionPipeline
    pipe = StableDiffusionPipeline.from_pretrained(folder, torch_dtype=dtype).to("cuda")
    pipe.set_progress_bar_config(disable=True)
    return pipe


def picture_row(
    dtype_name: str, folder: Path, libraries: list[str], repeats: int, steps: int
) -> list[str]:
    """One row: a whole 512×512 picture, from the prompt to PIL."""
    calls = {
        library: partial(
            pipeline(library, folder, DTYPES[dtype_name]),
            "a photograph of an astronaut riding a horse",
            num_inference_steps=steps,
        )
        for library in libraries
    }
    seconds = interleaved(calls, repeats=max(1, repeats // 4), device=CUDA)
    return [f"picture, 512×512, {steps} steps", dtype_name, *times(seconds), *["–"] * 4]


def all_rows(arguments: argparse.Namespace, folder: Path, libraries: list[str]) -> list[list[str]]:
    """Every dtype and part, then the whole picture."""
    rows: list[list[str]] = []
    for dtype in arguments.dtype:
        for name in PARTS:
            rows.append(part_row(name, dtype, folder, libraries, arguments.repeats))
            gc.collect()
            torch.cuda.empty_cache()
        rows.append(picture_row(dtype, folder, libraries, arguments.repeats, arguments.steps))
        gc.collect()
        torch.cuda.empty_cache()
    return rows


def main() -> int:
    """Measure, print the table, and keep it as a file."""
    parser = argparse.ArgumentParser(description="UNet, VAE and pictures on a CUDA machine")
    choices = [name for name in DTYPES if name != "float32"]
    parser.add_argument("--dtype", nargs="+", choices=choices, default=["float16", "bfloat16"])
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--steps", type=int, default=50)
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        print("benchmarks.gpu needs a CUDA device, and torch finds none here", file=sys.stderr)
        return 1
    torch.backends.cudnn.allow_tf32 = False
    libraries = ["diffusers", "kakusan"] if has_reference() else ["kakusan"]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (write_checkpoint if has_reference() else write_with_kakusan)(folder)
        rows = all_rows(arguments, folder, libraries)
    report = f"{environment(CUDA)}; medians of {arguments.repeats}\n\n"
    report += markdown_table(HEADER, rows) + "\n"
    RESULTS.mkdir(exist_ok=True)
    name = re.sub(r"[^a-z0-9]+", "-", torch.cuda.get_device_name().casefold()).strip("-")
    (RESULTS / f"gpu-{name}.md").write_text(report, encoding="utf-8")
    print(report, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
