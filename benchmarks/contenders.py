"""Who takes part in `benchmarks.peers`, and what surroundings each is given."""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.measure import processor_flags

ROOT = Path(__file__).parents[1]
TORCH = ("torch==2.13.0",)
REFERENCE = ("diffusers==0.42.1", "transformers==5.23.0")
# In the order in which they are installed: torch first, so that nothing else chooses its build
PACKAGES = {
    "diffusers": (TORCH, REFERENCE),
    "openvino": (TORCH, (*REFERENCE, "openvino")),
    "openvino_pipelines": (
        TORCH,
        ("openvino==2026.4.1", "openvino-genai==2026.4.1.0", "openvino-tokenizers==2026.4.1.0"),
        ("optimum==2.3.0", "nncf==3.4.0", "diffusers==0.39.0", "transformers==5.5.4", "accelerate"),
        # alone: it asks for torchvision, which it does not use here
        ("--no-deps", "optimum-intel==2.2.0"),
    ),
}
# These pin what they are tested with, which is older than what kakusan is tested with
WITH_OWN_PINS = frozenset({"openvino_pipelines"})
# What oneDNN, torch and kakusan are told, from least to most
INSTRUCTION_SETS = {
    "avx2": ("AVX2", "avx2", "avx2"),
    "avx512": ("AVX512_CORE", "avx512", "avx512"),
    "avx512_bf16": ("AVX512_CORE_BF16", "avx512", "avx512_bf16"),
}
# glibc's own way to keep what it was given, where neither allocator is installed
HELD_BY_GLIBC = "glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=1099511627776"
ALLOCATORS = {"tcmalloc": "libtcmalloc_minimal.so.4", "jemalloc": "libjemalloc.so.2"}
LIBRARIES = (*Path("/usr/lib").glob("*-linux-gnu"), Path("/usr/lib64"), Path("/usr/lib"))


@dataclass(frozen=True, kw_only=True)
class Contender:
    """One way to run the networks: a library, a precision and its settings."""

    name: str
    library: str
    dtype: str
    channels_last: bool = False
    compiled: bool = False
    held_memory: bool = False


def best_dtype(isa: str | None) -> str:
    """What this processor multiplies fastest, with everything above `isa` masked."""
    flags = processor_flags() & {"avx512_bf16", "amx_bf16"}
    return "bfloat16" if flags and isa in (None, "avx512_bf16") else "float32"


def contenders(best: str) -> list[Contender]:
    """kakusan in `best` first, the reference in float32 second, then the others."""
    ours = [Contender(name=f"kakusan {best}", library="kakusan", dtype=best)]
    peers = [Contender(name="diffusers float32", library="diffusers", dtype="float32")]
    if best != "float32":
        ours.append(Contender(name="kakusan float32", library="kakusan", dtype="float32"))
        peers.append(Contender(name=f"diffusers {best}", library="diffusers", dtype=best))
    tuned = Contender(
        name=f"diffusers {best}, channels_last, {allocator()[0]}",
        library="diffusers",
        dtype=best,
        channels_last=True,
        held_memory=True,
    )
    compiled = replace(
        tuned,
        name=f"diffusers {best}, torch.compile with freezing, {allocator()[0]}",
        compiled=True,
    )
    openvino = Contender(name=f"OpenVINO {best}", library="openvino", dtype=best)
    return [ours[0], peers[0], *ours[1:], *peers[1:], tuned, compiled, openvino]


def allocator() -> tuple[str, dict[str, str]]:
    """The name of an allocator that holds memory, and what a process needs to use it."""
    for name, file in ALLOCATORS.items():
        paths = [path for folder in LIBRARIES for path in folder.glob(file)]
        if paths:
            return name, {"LD_PRELOAD": str(paths[0])}
    return "glibc held", {"GLIBC_TUNABLES": HELD_BY_GLIBC}


def finished(command: Sequence[object], isa: str | None) -> subprocess.CompletedProcess[str]:
    """A command run to its end with the repository's code, by itself and without input."""
    return subprocess.run(
        [str(word) for word in command],
        cwd=ROOT,
        env=surroundings(None, isa),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )


def surroundings(contender: Contender | None, isa: str | None) -> dict[str, str]:
    """The environment variables of a contender's process."""
    here = os.pathsep.join((str(ROOT), str(ROOT / "src")))
    variables = os.environ | {"PYTHONPATH": here}
    if isa is not None:
        names = ("ONEDNN_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY", "KAKUSAN_NATIVE")
        variables |= dict(zip(names, INSTRUCTION_SETS[isa], strict=True))
    if contender is not None and contender.held_memory:
        variables |= allocator()[1]
    if contender is not None and contender.compiled:
        variables |= {"TORCHINDUCTOR_FREEZING": "1"}
    return variables
