"""A call of SDXL's UNet on this CPU: kakusan beside diffusers, each in the precision it is best in.

    python -m benchmarks.xl_unet [--repeats 5] [--quick] [--isa avx2] [--folder FOLDER]

Weights are random and of SDXL base's size. Processes take turns as in `benchmarks.peers`, whose
rules and tables these are: errors against diffusers in float32, ratios from calls of the same
rounds. `--size tiny` tries it out; without it 7 GB of disk are needed, and 10 GB of memory while
the weights are written.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.contenders import best_dtype, contenders, finished
from benchmarks.environments import PeerError, last_line
from benchmarks.measure import environment
from benchmarks.peers import ENVIRONMENTS, available_memory, matrix_peak_of, measure_part
from benchmarks.report import report
from benchmarks.results import keep
from benchmarks.xl import UNET

PART = "xl_unet"
TINY_UNET: dict[str, Any] = UNET | {
    "sample_size": 16,
    "block_out_channels": [32, 64, 64],
    "layers_per_block": 1,
    "attention_head_dim": [1, 2, 2],
    "transformer_layers_per_block": [1, 1, 2],
    "cross_attention_dim": 32,
}


def write_model(folder: Path, size: str) -> None:
    """Weights that are not there yet, those of SDXL's size in a process of its own.

    Raises:
        PeerError: It did not end well.
    """
    if (folder / "unet" / "config.json").exists():
        return
    if size == "tiny":
        from kakusan import UNet2DConditionModel

        torch.manual_seed(0)
        UNet2DConditionModel.from_config(TINY_UNET).half().save_pretrained(folder / "unet")
        return
    done = finished([sys.executable, "-m", "benchmarks.xl", folder], None)
    if done.returncode:
        raise PeerError(f"ended with {done.returncode}: {last_line(done.stderr)}")


def measure(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Everything the command measures, as JSON."""
    best = best_dtype(arguments.isa)
    field = [
        each
        for each in contenders(best)
        if each.library != "openvino"
        and (arguments.compiled or not each.compiled)
        and (each.dtype == best or not arguments.quick)
    ]
    results: dict[str, Any] = {
        "machine": environment(),
        "isa": arguments.isa,
        "size": arguments.size,
        "load_before": os.getloadavg()[0],
        "peaks": {dtype: matrix_peak_of(dtype, arguments.isa) for dtype in {"float32", best}},
        "parts": {PART: measure_part(PART, field, arguments, folder)},
    }
    return results | {"load_after": os.getloadavg()[0]}


def parse_arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="SDXL's UNet on this CPU, beside diffusers")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--isa", choices=("avx2", "avx512", "avx512_bf16"), help="mask all above")
    parser.add_argument("--compiled", action="store_true", help="torch.compile too; slow to begin")
    parser.add_argument("--quick", action="store_true", help="without float32, so without errors")
    parser.add_argument("--size", choices=("SDXL", "tiny"), default="SDXL")
    parser.add_argument("--environments", type=Path, default=ENVIRONMENTS)
    parser.add_argument("--folder", type=Path, help="weights kept between runs; else temporary")
    parser.add_argument("--memory", type=float, help="GB for all processes; default: 80 %% of free")
    parser.add_argument("--results", type=Path, help="default: benchmarks/results, none for tiny")
    arguments = parser.parse_args(words)
    arguments.memory = arguments.memory * 1e9 if arguments.memory else 0.8 * available_memory()
    arguments.steps = 0  # of whole pictures, of which there are none
    return arguments


def main() -> None:
    """Write the weights if they are not there, measure, and keep what was found."""
    arguments = parse_arguments()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (arguments.folder or Path(temporary)).absolute()
        write_model(folder, arguments.size)
        results = measure(arguments, folder)
    trial = arguments.size == "tiny"
    keep("xl-unet", results, report(results), arguments.results, trial=trial)


if __name__ == "__main__":
    main()
