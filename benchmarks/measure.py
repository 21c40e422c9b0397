"""What every benchmark shares: interleaved timing, the machine's peak, errors, and the table."""

import gc
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import torch

# Columns that every table of forward passes has
SPEED_AND_ERROR = (
    "dtype",
    "diffusers, s",
    "kakusan, s",
    "ratio",
    "kakusan, TFLOP/s",
    "matrix peak, TFLOP/s",
    "error: diffusers",
    "error: kakusan",
)
INSTRUCTIONS = ("amx_bf16", "avx512_bf16", "avx512f", "avx2")  # best first
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def synchronize(device: torch.device) -> None:
    """Wait for work that a GPU has only queued."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def interleaved(
    calls: Mapping[str, Callable[[], object]],
    *,
    repeats: int,
    warmup: int = 1,
    device: torch.device | None = None,
) -> dict[str, float]:
    """Median seconds of each call.

    The calls take turns (a, b, a, b, ...), and the order turns round after each round, so that
    drift of the machine's clock and what the other left in the caches fall on all alike.
    """
    where = device or torch.device("cpu")
    names = list(calls)
    times: dict[str, list[float]] = {name: [] for name in names}
    for i in range(warmup + repeats):
        for name in names if i % 2 == 0 else reversed(names):
            gc.collect()
            synchronize(where)
            started = time.perf_counter()
            calls[name]()
            synchronize(where)
            if i >= warmup:
                times[name].append(time.perf_counter() - started)
    return {name: statistics.median(values) for name, values in times.items()}


def matrix_peak(dtype: torch.dtype, device: torch.device, size: int = 2048) -> float:
    """FLOP/s of the best of some `size`³ matrix products: what the machine can give at most."""
    a = torch.randn(size, size, device=device).to(dtype)
    b = torch.randn(size, size, device=device).to(dtype)
    rounds = 100 if device.type == "cuda" else 1  # one product on a GPU is too short to time
    best = float("inf")
    for _ in range(8):
        synchronize(device)
        started = time.perf_counter()
        for _ in range(rounds):
            a @ b
        synchronize(device)
        best = min(best, (time.perf_counter() - started) / rounds)
    return 2 * size**3 / best


def relative_error(value: torch.Tensor, expected: torch.Tensor) -> float:
    """Length of the difference over length of what is expected, in float64."""
    difference = value.double() - expected.double()
    return float(difference.norm() / expected.double().norm())


def largest_error(value: torch.Tensor, expected: torch.Tensor) -> float:
    """Largest difference over largest value of what is expected."""
    difference = (value.double() - expected.double()).abs().max()
    return float(difference / expected.double().abs().max())


def peak_memory() -> int:
    """The most bytes this process has held in memory at once (Linux's VmHWM)."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("/proc/self/status has no VmHWM line")


def processor_flags() -> set[str]:
    """The instruction sets of this processor, named as in /proc/cpuinfo; empty elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return set()
    return next((set(line.split()[2:]) for line in lines if line.startswith("flags")), set())


def processor() -> str:
    """The processor's name, on Linux as /proc/cpuinfo tells it, and its best instruction set.

    Clouds give processors of several generations the same name.
    """
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    name = names[0] if names else platform.processor() or platform.machine()
    best = [flag for flag in INSTRUCTIONS if flag in processor_flags()]
    return f"{name} ({best[0]})" if best else name


def environment(device: torch.device | None = None) -> str:
    """One line: the machine, how much of it is used, and the versions that matter."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    gpu = f"{torch.cuda.get_device_name(device)}, " if device and device.type == "cuda" else ""
    python = ".".join(str(part) for part in sys.version_info[:3])
    threads = torch.get_num_threads()
    return (
        f"{gpu}{processor()}, {cores} usable cores, {threads} threads, "
        f"Python {python}, torch {torch.__version__}"
    )


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A markdown table; every cell is shown as its `str`."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)
