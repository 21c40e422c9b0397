"""Time that does not jump when somebody sets the clock."""

import time


class Clock:
    """Seconds since 1970 as the clock said at the start, and what has gone by since.

    Sleep of the machine counts where the system can tell (Linux).
    """

    def __init__(self) -> None:
        self._began = time.time() - _elapsed()

    def now(self) -> float:
        """The time for leases and keys; `time.time()` is for people."""
        return self._began + _elapsed()


def _elapsed() -> float:
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot is None else time.clock_gettime(boot)
