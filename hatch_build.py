"""Compiles the native kernels while the package is installed or made into a wheel.

Without a compiler, or on another kind of machine, the package is pure Python and torch does the
work; `KAKUSAN_NATIVE=off` makes it so anywhere. By hand, into the source tree: `python
hatch_build.py`.
"""

import os
import platform
import runpy
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

SOURCES = Path(__file__).parent / "src" / "kakusan" / "runtime" / "native"
FLAGS = ["-std=c++17", "-O3", "-fPIC", "-pthread", "-fno-exceptions"]
FLAGS += ["-fvisibility=hidden", "-ffp-contract=fast"]
AVX2 = ["-mavx2", "-mfma", "-mf16c"]
AVX512 = ["-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mprefer-vector-width=512"]
# One library for each; which one is loaded is chosen at run time, see native/library.py
LEVELS = {
    "avx2": AVX2,
    "avx512": [*AVX2, *AVX512],
    "avx512_bf16": [*AVX2, *AVX512, "-mavx512bf16"],
    "amx": [*AVX2, *AVX512, "-mavx512bf16", "-mamx-tile", "-mamx-bf16"],
}


def compiler() -> str | None:
    """The C++ compiler, if this is a machine that the kernels are written for."""
    if sys.platform != "linux" or platform.machine() not in ("x86_64", "AMD64"):
        return None
    return shutil.which(os.environ.get("CXX") or "g++")


def compile_level(cxx: str, level: str, folder: Path) -> Path:
    """Compile every source for one level; the library appears whole or not at all."""
    target = folder / f"kernels_{level}.so"
    sources = runpy.run_path(str(SOURCES / "fingerprint.py"))["fingerprint"]()
    with tempfile.TemporaryDirectory() as scratch:
        objects: list[str] = []
        for source in sorted(SOURCES.glob("*.cpp")):
            objects.append(str(Path(scratch) / f"{source.stem}.o"))
            command = [
                cxx,
                *FLAGS,
                f"-DKAKUSAN_FINGERPRINT={sources}ULL",
                *LEVELS[level],
                "-c",
                str(source),
                "-o",
                objects[-1],
            ]
            subprocess.run(command, check=True, capture_output=True, text=True)
        library = Path(scratch) / target.name
        subprocess.run(
            [cxx, "-shared", "-pthread", *objects, "-o", str(library)],
            check=True,
            capture_output=True,
            text=True,
        )
        partial = target.with_suffix(f".{os.getpid()}")
        shutil.copyfile(library, partial)
        os.replace(partial, target)
    return target


def build(folder: Path = SOURCES) -> list[Path]:
    """Compile what can be compiled here, into `folder`; says on stderr what could not."""
    for level in LEVELS:  # what cannot be compiled now must not stay from before
        (folder / f"kernels_{level}.so").unlink(missing_ok=True)
    cxx = compiler()
    if cxx is None:
        print("no C++ compiler for this machine: kakusan will compute with torch", file=sys.stderr)
        return []
    built: list[Path] = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = {level: pool.submit(compile_level, cxx, level, folder) for level in LEVELS}
    for level, job in jobs.items():
        try:
            built.append(job.result())
        except subprocess.CalledProcessError as error:
            reason = (error.stderr or str(error)).strip().splitlines()[0]
            print(f"kernels for {level} left out: {reason}", file=sys.stderr)
    return built


def get_build_hook() -> type:
    """What Hatch asks for: its base class is only there while it builds."""
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface

    class NativeKernels(BuildHookInterface[Any]):
        """Called before a wheel is packed or an editable install is linked."""

        def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
            if self.target_name != "wheel" or os.environ.get("KAKUSAN_NATIVE") == "off":
                return
            built = build()
            if not built:
                return
            build_data["artifacts"] = [f"/{path.relative_to(self.root)}" for path in built]
            build_data["pure_python"] = False
            tag = sysconfig.get_platform().replace("-", "_").replace(".", "_")
            build_data["tag"] = f"py3-none-{tag}"

    return NativeKernels


if __name__ == "__main__":
    for path in build():
        print(path)
