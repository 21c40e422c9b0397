"""How much memory is free for what is to be computed."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch

PROC = Path("/proc")
CGROUPS = Path("/sys/fs/cgroup")


class _Files(NamedTuple):
    """What the files of a memory controller are called."""

    limit: str
    used: str
    reclaimable: str  # in memory.stat: what files hold, and the kernel takes back


_V1 = _Files("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
_V2 = _Files("memory.max", "memory.current", "inactive_file")


def free_memory(device: torch.device) -> int | None:
    """Bytes that can be taken on a device without anything being swapped out; None if unknown.

    Of a CPU's it is what the system has available, or less where a container's limit is nearer; of
    a CUDA or XPU device's with what torch holds unused.
    """
    if device.type not in ("cpu", "cuda", "mps", "xpu"):
        return None
    if device.type in ("cuda", "xpu"):
        return _left_on(device)
    found = [_available(), *_left_in_groups()]
    return min((each for each in found if each is not None), default=None)


def is_measured(device: torch.device) -> bool:
    """Whether `free_memory` is what the system says, and no guess: enough to refuse work by."""
    return device.type == "cuda" or (PROC / "meminfo").is_file()


def _left_on(device: torch.device) -> int | None:
    """Of a device that has memory of its own."""
    torch_of = torch.cuda if device.type == "cuda" else torch.xpu
    if not torch_of.is_available():
        return None
    try:
        free, _ = torch_of.mem_get_info(device)
    except RuntimeError:  # a driver of Intel's that does not tell
        return None
    return free + torch_of.memory_reserved(device) - torch_of.memory_allocated(device)


def _available() -> int | None:
    for line in _lines(PROC / "meminfo"):
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    try:  # elsewhere than on Linux half of what there is
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    except (AttributeError, ValueError, OSError):
        return None


def _left_in_groups() -> Iterator[int]:
    """What each control group that this process is in may still take."""
    for line in _lines(PROC / "self" / "cgroup"):
        _, controllers, path = line.strip().split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        root, files = (CGROUPS / "memory", _V1) if controllers else (CGROUPS, _V2)
        folder = root / path.lstrip("/")
        for group in (folder, *folder.parents):
            if group != root and root not in group.parents:
                break
            left = _left_in(group, files)
            if left is not None:
                yield left


def _left_in(group: Path, files: _Files) -> int | None:
    limit, used = (next(iter(_lines(group / name)), "").strip() for name in files[:2])
    if not limit.isdigit() or not used.isdigit():  # "max", or no such group
        return None
    stat = dict(line.split()[:2] for line in _lines(group / "memory.stat"))
    return max(0, int(limit) - int(used) + int(stat.get(files.reclaimable, 0)))


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
