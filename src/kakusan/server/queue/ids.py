"""UUIDs of version 7 (RFC 9562), each larger than the one before."""

import os
import re
import threading
import uuid

_SHAPE = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def is_id(text: str) -> bool:
    """Whether a text can be the id of a job."""
    return _SHAPE.fullmatch(text) is not None


class Ids:
    """Gives ids that sort by age, whatever the clock does.

    Args:
        last: the largest id that was given before, by whichever process.
    """

    def __init__(self, last: str | None = None) -> None:
        self._lock = threading.Lock()
        self._last = _ticks(uuid.UUID(last)) if last else 0

    def new(self, now: float) -> str:
        """A new id at a time in seconds since 1970."""
        with self._lock:
            # milliseconds, then twelve bits below them (method 3 of RFC 9562, section 6.2)
            self._last = max(int(now * 1000 * 4096), self._last + 1)
            ticks = self._last
        high = (ticks >> 12) << 16 | 0x7 << 12 | ticks & 0xFFF
        low = 0b10 << 62 | int.from_bytes(os.urandom(8)) >> 2
        return str(uuid.UUID(int=high << 64 | low))


def _ticks(value: uuid.UUID) -> int:
    return (value.int >> 80) << 12 | (value.int >> 64) & 0xFFF
