"""A picture on a CUDA device of which only so much is free, as on a smaller card.

    python -m benchmarks.small_gpu MODEL [--free 8] [--keep FILE] [OPTIONS of kakusan generate]

This process holds the rest of the device's memory while kakusan's command draws in another, and
looks every 20 ms at how much of the device the command has taken, its CUDA context included.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from benchmarks.contenders import ROOT

GB = 10**9


def hold(free: int) -> torch.Tensor:
    """Memory of the device, so much that only `free` bytes are left."""
    torch.cuda.init()
    left, _ = torch.cuda.mem_get_info()
    held = torch.empty(max(0, left - free), dtype=torch.uint8, device="cuda")
    torch.cuda.synchronize()
    return held


def watched(command: list[str]) -> tuple[int, float, int]:
    """The exit code of a command, its seconds, and the most bytes of the device that it took."""
    before, _ = torch.cuda.mem_get_info()
    least, started = before, time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT)
    while process.poll() is None:
        least = min(least, torch.cuda.mem_get_info()[0])
        time.sleep(0.02)
    return process.returncode, time.perf_counter() - started, before - least


def main() -> int:
    """Hold, draw, and print one line."""
    parser = argparse.ArgumentParser(description="a picture with little of a GPU's memory")
    parser.add_argument("model", type=Path)
    parser.add_argument("--free", type=float, default=8.0, help="gigabytes that are left")
    parser.add_argument("--keep", type=Path, help="the picture")
    arguments, options = parser.parse_known_args()
    if not torch.cuda.is_available():
        print("benchmarks.small_gpu needs a CUDA device, and torch finds none", file=sys.stderr)
        return 1
    held = hold(int(arguments.free * GB))
    with tempfile.TemporaryDirectory() as folder:
        file = arguments.keep or Path(folder) / "picture.png"
        words = [sys.executable, "-m", "kakusan", "generate", "a lighthouse", "--device", "cuda"]
        command = [*words, "--model", str(arguments.model), "-o", str(file), *options]
        code, seconds, most = watched(command)
    del held
    print(
        f"{torch.cuda.get_device_name()} with {arguments.free:g} GB free: exit code {code}, "
        f"{seconds:.1f} s, at most {most / GB:.2f} GB of the device"
    )
    return code


if __name__ == "__main__":
    sys.exit(main())
