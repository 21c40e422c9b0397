"""Whether a worker is seen alive: a slow call is not the end of it, a dead thread is."""

import time


class Pulse:
    """When the worker is to be seen again.

    Args:
        usual_s: within which, where nothing else is said.
    """

    def __init__(self, usual_s: float) -> None:
        self._usual_s = usual_s
        self._due: float | None = None

    def beat(self, within_s: float | None = None) -> None:
        """It lives, and is to be seen again within so many seconds."""
        self._due = time.monotonic() + (self._usual_s if within_s is None else within_s)

    def is_late(self, *, alive: bool) -> bool:
        """Whether it should have been seen by now; not before it has begun.

        Args:
            alive: whether its thread is.
        """
        return self._due is not None and (not alive or time.monotonic() > self._due)
