"""How many rows a call of the UNet is worth giving, as calls here have shown.

Small pictures leave a processor idle, and several at a time are nearly as fast as one. Where one
keeps it busy, several only wait for each other: then each is better off alone, and ends as it would
without the others. Pure arithmetic: no torch, no clock.
"""

from collections import deque

GAIN = 0.95  # of the time a row takes alone, in which one has to be done for company to be worth it
NEAR = 1.05  # of the best time a row takes: fewer rows that are as good make shorter calls
_SAMPLES = 5  # that are kept, of which the least counts: what else the machine does only adds
_ENOUGH = 3  # samples to go by
_AGAIN = 200  # rounds after which all rows are tried again

ALONE = 0


class Widths:
    """What calls took, for each size of pictures."""

    def __init__(self) -> None:
        self._sizes: dict[int, _Size] = {}

    def forget(self) -> None:
        """Begin anew, as another model does."""
        self._sizes.clear()

    def took(self, pixels: int, pictures: int, rows: int, seconds: float) -> None:
        """Note a call of some pictures of one size."""
        kind = rows if pictures > 1 else ALONE
        self._sizes.setdefault(pixels, _Size()).took(kind, seconds / rows)

    def most(self, pixels: int, rows: int) -> int:
        """How many rows pictures of this size may have together, of so many; 0 is one alone."""
        return self._sizes.setdefault(pixels, _Size()).most(rows)


class _Size:
    """What a row took, in calls of so many."""

    def __init__(self) -> None:
        self._took: dict[int, deque[float]] = {}
        self._rounds = 0

    def took(self, rows: int, seconds: float) -> None:
        self._took.setdefault(rows, deque(maxlen=_SAMPLES)).append(seconds)
        self._rounds += 1

    def most(self, rows: int) -> int:
        known = {n: min(took) for n, took in self._took.items() if len(took) >= _ENOUGH}
        alone = known.pop(ALONE, None)
        if alone is None:
            return ALONE
        if not known or self._rounds % _AGAIN == 0:
            return rows
        best = min(known.values())
        if best > GAIN * alone:
            return ALONE
        return min(rows, min(n for n, took in known.items() if took <= NEAR * best))
