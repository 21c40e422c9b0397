"""Tables of name pieces that are read in both directions."""

import re
from collections.abc import Iterable, Mapping


class Pieces:
    """A bijection between the beginnings of names in two forms.

    Args:
        table: pairs of whole names without the last piece (`weight`, `bias`).
    """

    def __init__(self, table: Mapping[str, str]) -> None:
        self._there = dict(table)
        self._back = {new: old for old, new in table.items()}
        if len(self._back) != len(self._there):
            raise ValueError("a table of names must be bijective")

    def there(self, name: str) -> str | None:
        """The second form of a name in the first one; None for a name that the table lacks."""
        return _replaced(self._there, name)

    def back(self, name: str) -> str | None:
        """The first form of a name in the second one."""
        return _replaced(self._back, name)


def _replaced(table: Mapping[str, str], name: str) -> str | None:
    """`in_layers.0.weight` by the entry of `in_layers.0`."""
    head, dot, last = name.rpartition(".")
    return f"{table[head]}{dot}{last}" if head in table else None


def numbers(names: Iterable[str], pattern: str) -> set[int]:
    """What the one group of a pattern is in names that begin so."""
    compiled = re.compile(pattern)
    return {int(match[1]) for name in names if (match := compiled.match(name))}
