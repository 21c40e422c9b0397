"""Whether several pictures in a call of the UNet are worth it, as calls here have shown.

Small pictures leave a processor idle, and several at a time are nearly as fast as one. Where one
keeps it busy, several only wait for each other: then each is better off alone, and ends as it would
without the others. Pure arithmetic: no torch, no clock.
"""

from collections import defaultdict

GAIN = 0.85  # of the time that a row takes alone; in less it has to be done for company to pay
TRIES = 4  # calls of each kind that are timed; the fastest counts, as what else runs only adds
AGAIN = 200  # rounds after which it is tried again


class Widths:
    """What calls took, for each size of pictures."""

    def __init__(self) -> None:
        self._sizes = defaultdict[int, _Size](_Size)

    def forget(self) -> None:
        """Begin anew, as another model does."""
        self._sizes.clear()

    def together(self, pixels: int) -> bool:
        """Whether those of one size that wait are to share the next call."""
        return self._sizes[pixels].together()

    def took(self, pixels: int, pictures: int, rows: int, seconds: float) -> None:
        """Note a call of some pictures of one size."""
        self._sizes[pixels].took(seconds / rows, alone=pictures == 1)


class _Size:
    """Tries both ways in turns, so that what else the machine does falls on both; then decides."""

    def __init__(self) -> None:
        self._rounds = 0
        self._tries = False
        self._alone, self._joined = list[float](), list[float]()

    def together(self) -> bool:
        index = self._rounds % AGAIN
        if index == 0:
            self._alone, self._joined = [], []
        self._rounds += 1
        self._tries = index < 2 * TRIES
        if self._tries:
            return index % 2 == 1
        return bool(self._joined) and min(self._joined) <= GAIN * min(self._alone, default=0.0)

    def took(self, seconds: float, *, alone: bool) -> None:
        """Of a row."""
        if self._tries:
            (self._alone if alone else self._joined).append(seconds)
        self._tries = False
