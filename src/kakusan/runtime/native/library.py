"""Finds and loads the kernels that this processor can run.

The libraries use no Python and no torch headers, so one build serves every version of both.
"""

import ctypes
import functools
import os
from pathlib import Path

from kakusan.errors import RequestError
from kakusan.runtime.machine import machine
from kakusan.runtime.native.fingerprint import fingerprint
from kakusan.runtime.native.interface import declare

FOLDER = Path(__file__).parent
SETTING = "KAKUSAN_NATIVE"
_AVX2 = ("avx2", "fma", "f16c")
_AVX512 = (*_AVX2, "avx512f", "avx512bw", "avx512dq", "avx512vl")
# Best first: what each library needs, as /proc/cpuinfo calls it
LEVELS = {
    "amx": (*_AVX512, "avx512_bf16", "amx_tile", "amx_bf16"),
    "avx512_bf16": (*_AVX512, "avx512_bf16"),
    "avx512": _AVX512,
    "avx2": _AVX2,
}


def level_allowed(setting: str | None) -> list[str]:
    """The levels to try, best first, under a value of `KAKUSAN_NATIVE`.

    Args:
        setting: None for whatever the processor has, a level for that one and those below it,
            "off" for none.

    Raises:
        RequestError: Another value.
    """
    able = [level for level, needs in LEVELS.items() if set(needs) <= set(machine().instructions)]
    if not setting:
        return able
    if setting == "off":
        return []
    if setting not in LEVELS:
        raise RequestError(
            f"{SETTING}={setting} is unknown; choose one of: off, {', '.join(LEVELS)}"
        )
    return [level for level in able if list(LEVELS).index(level) >= list(LEVELS).index(setting)]


def library_of(level: str) -> Path:
    """Where a level's library is, if it was built."""
    return FOLDER / f"kernels_{level}.so"


@functools.cache
def loaded() -> tuple[str, ctypes.CDLL] | None:
    """The level and the library in use; None where torch has to do the work. Decided once.

    Raises:
        RequestError: The environment variable `KAKUSAN_NATIVE` has an unknown value.
    """
    for level in level_allowed(os.environ.get(SETTING)):
        path = library_of(level)
        if path.is_file():
            try:
                library = ctypes.CDLL(str(path), mode=os.RTLD_NOW)
            except OSError:  # built for another system
                continue
            library.kakusan_fingerprint.restype = ctypes.c_uint64
            if library.kakusan_fingerprint() != fingerprint() or not declare(library):
                continue
            if level != "amx" or library.kakusan_amx_ready():
                return level, library
    return None


def explain() -> str:
    """One line: which kernels compute here, and why."""
    found = loaded()
    if found:
        return f"{found[0]}: the package's own kernels, chosen by what this processor has"
    if os.environ.get(SETTING) == "off":
        return f"none: {SETTING}=off; torch computes"
    if not level_allowed(None):
        return "none: written for x86-64 processors with AVX2; torch computes"
    if any(library_of(level).is_file() for level in LEVELS):
        return "none: they were compiled from other sources; install kakusan again; torch computes"
    return "none: not built when kakusan was installed (it takes g++ on Linux); torch computes"
