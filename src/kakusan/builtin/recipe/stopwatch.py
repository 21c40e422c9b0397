"""How long a recipe took."""

import sys
import time
from pathlib import Path


class Stopwatch:
    """Runs from when it is made."""

    def __init__(self) -> None:
        self._began, self._began_cpu = time.monotonic(), time.process_time()

    def say_written(self, output: Path) -> None:
        """Say on stderr how long it took until `output` was there."""
        minutes = (time.monotonic() - self._began) / 60
        cpu = (time.process_time() - self._began_cpu) / 60
        print(f"{output} written after {minutes:.1f} min ({cpu:.1f} min of CPU)", file=sys.stderr)
