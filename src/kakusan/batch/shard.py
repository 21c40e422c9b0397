"""Parts of a table, for machines that know nothing of each other: by a hash of each row's key."""

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True)
class Shard:
    """One of so many parts, counted from 0; the only one where nothing is said."""

    index: int = 0
    count: int = 1

    def holds(self, key: str) -> bool:
        """Whether the row of a key is in it."""
        return number_of(f"shard\0{key}") % self.count == self.index

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"


def number_of(text: str) -> int:
    """A number of 64 bits that a text makes, on every machine the same."""
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big")
