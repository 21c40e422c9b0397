"""What this machine is: processor, cores, instruction sets, memory, accelerators."""

import functools
import os
import platform
from dataclasses import dataclass
from pathlib import Path

import torch

# Instruction sets that decide how fast each precision is; names as in /proc/cpuinfo
RELEVANT_INSTRUCTIONS = (
    "avx2",
    "fma",
    "f16c",
    "avx512f",
    "avx512bw",
    "avx512dq",
    "avx512vl",
    "avx512_bf16",
    "amx_tile",
    "amx_bf16",
    "amx_int8",
    "asimd",
    "bf16",
)


@dataclass(frozen=True, kw_only=True)
class Machine:
    """The facts that choices of device and precision rest on."""

    processor: str
    cores: int
    memory_bytes: int | None
    instructions: tuple[str, ...]
    gpus: tuple[str, ...]

    @property
    def fast_bfloat16(self) -> bool:
        """Whether the processor multiplies bfloat16 matrices in hardware."""
        return any(name in self.instructions for name in ("amx_bf16", "avx512_bf16", "bf16"))


def usable_cores() -> int:
    """The cores this process may run on, which a container or taskset can make fewer."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cpuinfo() -> dict[str, str]:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    pairs = (line.partition(":") for line in text.splitlines() if ":" in line)
    return {key.strip().casefold(): value.strip() for key, _, value in reversed(list(pairs))}


def _total_memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def _gpus() -> tuple[str, ...]:
    for kind in (torch.cuda, torch.xpu):
        if kind.is_available():
            return tuple(kind.get_device_name(i) for i in range(kind.device_count()))
    return ("Apple GPU (mps)",) if torch.backends.mps.is_available() else ()


def _instructions(cpuinfo: dict[str, str]) -> tuple[str, ...]:
    flags = set((cpuinfo.get("flags") or cpuinfo.get("features") or "").split())
    if not flags:  # not Linux: torch's own reading is all there is
        flags = {torch.backends.cpu.get_cpu_capability().casefold()}
    return tuple(name for name in RELEVANT_INSTRUCTIONS if name in flags)


@functools.cache
def machine() -> Machine:
    """Read once per process."""
    cpuinfo = _cpuinfo()
    return Machine(
        processor=cpuinfo.get("model name") or platform.processor() or platform.machine(),
        cores=usable_cores(),
        memory_bytes=_total_memory(),
        instructions=_instructions(cpuinfo),
        gpus=_gpus(),
    )
