"""One UNet call and one VAE decode of v1.4's size: seconds and errors beside the reference.

    python -m benchmarks.forward [--repeats 5] [--dtype float32 bfloat16] [--part unet decode]

Both libraries hold the same random weights (rounded to float16 once, as published ones are) and
take turns in one process. Errors are against the reference in float32 on the same inputs:
length of the difference over length of the output, and largest over largest.
"""

import argparse
import gc
import tempfile
from pathlib import Path

import torch

from benchmarks.measure import (
    DTYPES,
    SPEED_AND_ERROR,
    environment,
    interleaved,
    largest_error,
    markdown_table,
    matrix_peak,
    relative_error,
)
from benchmarks.parts import PARTS, TITLES, bind, load
from benchmarks.v1_4 import TEXT, TINY_TEXT, write_unet, write_vae

CPU = torch.device("cpu")
LIBRARIES = ("diffusers", "kakusan")
HEADER = (
    "part",
    *SPEED_AND_ERROR,
    "largest: diffusers",
    "largest: kakusan",
)


def expected_output(part_name: str, folder: Path, text_width: int) -> torch.Tensor:
    """What the reference gives in float32."""
    part = PARTS[part_name]
    return bind(part, load("diffusers", part, folder, torch.float32, CPU), text_width)()


def measure(
    part_name: str, dtype_name: str, folder: Path, *, tiny: bool, repeats: int
) -> tuple[str, ...]:
    """One row: times, ratio and errors of one part in one dtype."""
    part, dtype = PARTS[part_name], DTYPES[dtype_name]
    text_width = (TINY_TEXT if tiny else TEXT)["hidden_size"]
    expected = expected_output(part_name, folder, text_width)
    calls = {
        library: bind(part, load(library, part, folder, dtype, CPU), text_width)
        for library in LIBRARIES
    }
    outputs = {library: call() for library, call in calls.items()}
    seconds = interleaved(calls, repeats=repeats)
    ours = seconds["kakusan"]
    speed = "" if tiny else f"{part.flop / ours / 1e12:.3f}"
    return (
        TITLES[part_name],
        dtype_name,
        f"{seconds['diffusers']:.3f}",
        f"{ours:.3f}",
        f"{ours / seconds['diffusers']:.3f}",
        speed,
        f"{matrix_peak(dtype, CPU) / 1e12:.3f}",
        *(f"{relative_error(outputs[library], expected):.2e}" for library in LIBRARIES),
        *(f"{largest_error(outputs[library], expected):.2e}" for library in LIBRARIES),
    )


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="UNet and VAE decoder beside the reference")
    parser.add_argument("--part", nargs="+", choices=tuple(PARTS), default=list(PARTS))
    parser.add_argument(
        "--dtype", nargs="+", choices=tuple(DTYPES), default=["float32", "bfloat16"]
    )
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, help="torch threads; default: torch's own choice")
    parser.add_argument("--size", choices=("v1.4", "tiny"), default="v1.4")
    parser.add_argument("--folder", type=Path, help="weights kept between runs; else temporary")
    return parser.parse_args()


def main() -> None:
    """Write the weights if they are not there, measure, print the table."""
    arguments = parse_arguments()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        for name, write in {"unet": write_unet, "vae": write_vae}.items():
            if not (folder / name / "config.json").exists():
                write(folder / name, arguments.size)
        rows: list[tuple[str, ...]] = []
        for part in arguments.part:
            for dtype in arguments.dtype:
                tiny = arguments.size == "tiny"
                row = measure(part, dtype, folder, tiny=tiny, repeats=arguments.repeats)
                rows.append(row)
                gc.collect()
    print(f"{environment()}; medians of {arguments.repeats}\n")
    print(markdown_table(HEADER, rows))


if __name__ == "__main__":
    main()
