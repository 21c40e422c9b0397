"""How much memory there is, as GET memory tells it."""

import os
import sys
from pathlib import Path
from typing import Any

_STATM = Path("/proc/self/statm")


def memory() -> dict[str, Any]:
    """Bytes of this process and of the first GPU; `error` in place of what cannot be known."""
    return {"ram": _ram(), "cuda": _cuda()}


def _ram() -> dict[str, Any]:
    try:
        page = os.sysconf("SC_PAGE_SIZE")
        total = page * os.sysconf("SC_PHYS_PAGES")
        used = page * int(_STATM.read_text(encoding="ascii").split()[1])
    except (AttributeError, ValueError, OSError, IndexError) as error:
        return {"error": f"unavailable ({type(error).__name__})"}
    return {"free": total - used, "used": used, "total": total}


def _cuda() -> dict[str, Any]:
    """Nothing is loaded for it: a process without torch has no memory there."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return {"error": "unavailable"}
    free, total = torch.cuda.mem_get_info()
    stats = torch.cuda.memory_stats()
    system = {"free": free, "used": total - free, "total": total}
    kinds = {
        "active": "active_bytes",
        "allocated": "allocated_bytes",
        "reserved": "reserved_bytes",
        "inactive": "inactive_split_bytes",
    }
    found = {
        name: {
            "current": stats.get(f"{key}.all.current", 0),
            "peak": stats.get(f"{key}.all.peak", 0),
        }
        for name, key in kinds.items()
    }
    events = {"retries": stats.get("num_alloc_retries", 0), "oom": stats.get("num_ooms", 0)}
    return {"system": system, **found, "events": events}
