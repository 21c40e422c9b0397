"""Links to pictures that need no token: signed, and good for an hour."""

import hashlib
import hmac
import time
from dataclasses import dataclass
from urllib.parse import urlencode

GOOD_FOR = 3600.0
_SUFFIXES = {"png": "png", "jpeg": "jpg", "webp": "webp"}
_FORMATS = {suffix: name for name, suffix in _SUFFIXES.items()}


@dataclass(frozen=True)
class Linked:
    """What a link is to."""

    job: str
    index: int
    output_format: str
    compression: int


class Links:
    """Makes and checks them.

    Args:
        key: what they are signed with; with another one those made before are good no more.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def path(self, to: Linked, now: float | None = None) -> str:
        """Such as `files/JOB/0.png?expires=…&signature=…`, without a slash at its start."""
        expires = int((time.time() if now is None else now) + GOOD_FOR)
        query = {
            "expires": expires,
            "compression": to.compression,
            "signature": self._signature(to, expires),
        }
        return f"files/{to.job}/{to.index}.{_SUFFIXES[to.output_format]}?{urlencode(query)}"

    def read(
        self,
        job: str,
        name: str,
        *,
        expires: str,
        compression: str,
        signature: str,
        now: float | None = None,
    ) -> Linked | None:
        """What a link is to; None for one that was not made here, or has expired."""
        stem, _, suffix = name.partition(".")
        numbers = (stem, expires, compression)
        if suffix not in _FORMATS or not all(_is_number(each) for each in numbers):
            return None
        to = Linked(job, int(stem), _FORMATS[suffix], int(compression))
        right = self._signature(to, int(expires))
        if not hmac.compare_digest(right.encode(), signature.encode()):
            return None
        return to if (time.time() if now is None else now) < int(expires) else None

    def _signature(self, to: Linked, expires: int) -> str:
        told = "\n".join(str(part) for part in (to.job, to.index, to.output_format, to.compression))
        return hmac.digest(self._key, f"{told}\n{expires}".encode(), hashlib.sha256).hex()


def _is_number(text: str) -> bool:
    return 0 < len(text) <= 12 and text.isascii() and text.isdigit()
