"""Whether a folder's three files are what a release consists of.

    python .ci/contents.py FOLDER [WORD ...]

WORDs, such as the folder that they were made in, must be in none of the wheels' files.
"""

import sys
import zipfile
from pathlib import Path

LARGEST = 50 * 10**6  # bytes
LEVELS = {"amx", "avx2", "avx512", "avx512_bf16"}
LICENCES = {"LICENSE", "NOTICE", "src/kakusan/text/clip/LICENSE"}


def kernels(names: list[str]) -> set[str]:
    """The levels that a wheel has a library for."""
    libraries = [Path(name).stem for name in names if name.endswith(".so")]
    return {name.removeprefix("kernels_") for name in libraries}


def faults_of_wheel(path: Path, levels: set[str], words: list[str]) -> list[str]:
    """What is wrong with a wheel, a line each."""
    faults: list[str] = []
    with zipfile.ZipFile(path) as wheel:
        names = [name for name in wheel.namelist() if not name.endswith("/")]
        if kernels(names) != levels:
            faults.append(f"has kernels for {sorted(kernels(names))}, not {sorted(levels)}")
        if "kakusan/py.typed" not in names:
            faults.append("has no py.typed")
        licences = {name.partition(".dist-info/licenses/")[2] for name in names} - {""}
        if licences != LICENCES:
            faults.append(f"has the licences {sorted(licences)}, not {sorted(LICENCES)}")
        for name in names:
            found = [word for word in words if word.encode() in wheel.read(name)]
            faults += [f"has {word!r} in {name}" for word in found]
    return faults


def faults(folder: Path, words: list[str]) -> list[str]:
    """What is wrong with a release, a line each."""
    found = [
        f"{path.name}: {path.stat().st_size} bytes, at most {LARGEST}"
        for path in folder.iterdir()
        if path.stat().st_size > LARGEST
    ]
    kinds = {"*.tar.gz": set[str](), "*manylinux*_x86_64.whl": LEVELS, "*-none-any.whl": set[str]()}
    for pattern, levels in kinds.items():
        paths = list(folder.glob(pattern))
        if len(paths) != 1:
            found.append(f"{len(paths)} files {pattern}, not 1")
        for path in paths:
            if path.suffix == ".whl":
                found += [f"{path.name} {fault}" for fault in faults_of_wheel(path, levels, words)]
    return found


if __name__ == "__main__":
    sys.exit("\n".join(faults(Path(sys.argv[1]), sys.argv[2:])) or None)
