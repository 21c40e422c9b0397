"""What `/system_stats` says of the machine."""

import importlib.metadata
import os
import sys
from typing import Any

from kakusan import __version__

# The version whose API this is, and whose it is in truth
VERSION = f"0.3.64+kakusan.{__version__}"


def system_stats() -> dict[str, Any]:
    """Of the memory of this machine and its first GPU; in bytes."""
    total, free = _memory()
    return {
        "system": {
            "os": os.name,
            "ram_total": total,
            "ram_free": free,
            "comfyui_version": VERSION,
            "python_version": sys.version,
            "pytorch_version": importlib.metadata.version("torch"),
            "embedded_python": False,
            "argv": [],
        },
        "devices": [_gpu() or _device("cpu", "cpu", total, free, (total, free))],
    }


def _device(
    name: str, kind: str, total: int, free: int, of_torch: tuple[int, int]
) -> dict[str, Any]:
    return {
        "name": name,
        "type": kind,
        "index": 0,
        "vram_total": total,
        "vram_free": free,
        "torch_vram_total": of_torch[0],
        "torch_vram_free": of_torch[1],
    }


def _memory() -> tuple[int, int]:
    """All of it, and what is free; 0 where that cannot be known."""
    try:
        page = os.sysconf("SC_PAGE_SIZE")
        return page * os.sysconf("SC_PHYS_PAGES"), page * os.sysconf("SC_AVPHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 0, 0


def _gpu() -> dict[str, Any] | None:
    """Nothing is loaded for it: a process without torch has no memory there."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return None
    free, total = torch.cuda.mem_get_info()
    reserved = torch.cuda.memory_reserved()
    unused = reserved - torch.cuda.memory_allocated()
    name = f"cuda:0 {torch.cuda.get_device_name(0)}"
    return _device(name, "cuda", total, free + unused, (reserved, unused))
