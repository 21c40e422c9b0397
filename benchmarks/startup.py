"""How long it takes from a command's start: the import, the help, the first picture.

    python -m benchmarks.startup [--repeats 5]

Every number is the median of fresh processes. The limits are the project's own.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.measure import environment, markdown_table

IMPORT = "import time; s = time.perf_counter(); import kakusan; print(time.perf_counter() - s)"


def run(*arguments: str) -> str:
    """Run Python with these arguments and give what it prints."""
    done = subprocess.run(
        [sys.executable, *arguments], stdin=subprocess.DEVNULL, capture_output=True, check=True
    )
    return done.stdout.decode()


def import_seconds() -> float:
    """Seconds of `import kakusan` itself."""
    return float(run("-c", IMPORT))


def help_seconds() -> float:
    """Seconds of a whole `kakusan --help`."""
    started = time.perf_counter()
    run("-m", "kakusan", "--help")
    return time.perf_counter() - started


def picture_seconds() -> float:
    """Seconds from the command's start until the built-in model's first picture is written."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "cat.png")
        prompt = "a cat on a red background"
        started = time.perf_counter()
        run("-m", "kakusan", "generate", prompt, "--steps", "25", "--seed", "7", "-o", str(path))
        elapsed = time.perf_counter() - started
        if not path.exists():
            raise RuntimeError(f"the command ended well but wrote no {path}")
    return elapsed


MEASUREMENTS: tuple[tuple[str, Callable[[], float], float], ...] = (
    ("import kakusan", import_seconds, 0.1),
    ("kakusan --help", help_seconds, 0.4),
    ("first picture, 25 steps", picture_seconds, 6.0),
)


def main() -> None:
    """Measure all three and print the table."""
    parser = argparse.ArgumentParser(description="start-up times")
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    rows: list[tuple[str, str, str, str]] = []
    for name, measure, limit in MEASUREMENTS:
        measure()  # brings the files into the page cache
        median = statistics.median(measure() for _ in range(repeats))
        verdict = "within" if median <= limit else "OVER"
        rows.append((name, f"{median:.3f}", f"{limit:g}", verdict))
    print(f"{environment()}; medians of {repeats}\n")
    print(markdown_table(("what", "seconds", "limit", ""), rows))


if __name__ == "__main__":
    main()
