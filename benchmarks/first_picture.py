"""From a command's start to its first written picture, and the memory that takes.

`benchmarks.peers` measures it in fresh processes, each of which runs, for one library,

    python -m benchmarks.first_picture kakusan FOLDER DTYPE FILE.png

the shortest program that loads a folder and draws. It prints the most bytes it held in memory.
"""

import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.contenders import finished
from benchmarks.environments import PeerError, last_line, python_of
from benchmarks.measure import DTYPES, peak_memory
from benchmarks.parts import pipeline, prompted

LIBRARIES = ("kakusan", "diffusers")
STEPS = 10


def first_pictures(
    folder: Path, dtype: str, environments: Path, *, repeats: int, isa: str | None
) -> list[dict[str, Any]]:
    """The libraries' seconds and peak bytes, as JSON; their processes take turns."""
    rows: list[dict[str, Any]] = [
        {"name": f"{library} {dtype}", "seconds": [], "peak": [], "failure": ""}
        for library in LIBRARIES
    ]
    pairs = list(zip(LIBRARIES, rows, strict=True))
    for i in range(1 + repeats):
        for library, row in pairs if i % 2 == 0 else reversed(pairs):
            if row["failure"]:
                continue
            try:
                python = python_of(library, environments)
                seconds, peak = first_picture(python, library, folder, dtype, isa)
            except PeerError as error:
                row["failure"] = str(error)
                continue
            if i > 0:  # the first one brings files into the page cache
                row["seconds"].append(seconds)
                row["peak"].append(peak)
    return rows


def first_picture(
    python: Path, library: str, folder: Path, dtype: str, isa: str | None
) -> tuple[float, int]:
    """Seconds of one process from start to end, and its peak bytes.

    Raises:
        PeerError: It did not end well, or wrote no picture.
    """
    path = folder / "first.png"
    path.unlink(missing_ok=True)
    command = (python, "-m", "benchmarks.first_picture", library, folder, dtype, path)
    started = time.perf_counter()
    done = finished(command, isa)
    seconds = time.perf_counter() - started
    if done.returncode or not path.exists():
        raise PeerError(f"ended with {done.returncode}: {last_line(done.stderr)}")
    return seconds, int(done.stdout.splitlines()[-1])


def main() -> None:
    """Load, draw, write."""
    library, folder, dtype, path = sys.argv[1:]
    pipe = pipeline(library, Path(folder), DTYPES[dtype])
    prompted(pipe, STEPS, output_type="pil")[0].save(path)
    print(peak_memory())


if __name__ == "__main__":
    main()
