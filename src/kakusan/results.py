"""Results with names, which scripts read as attributes, by number or by name."""

from typing import Any, TypeVar

ResultT = TypeVar("ResultT")


def named(result: type[ResultT]) -> type[ResultT]:
    """Let a NamedTuple also be asked as a mapping: `output["sample"]`, `keys()`, `to_tuple()`.

    What is None is left out there, and does not count where results are asked for by number.
    """
    fields: tuple[str, ...] = result._fields  # pyright: ignore

    def item(self: Any, key: Any) -> Any:
        if not isinstance(key, str):
            return self.to_tuple()[key]
        if key not in self.keys():
            raise KeyError(key)
        return getattr(self, key)

    def keys(self: Any) -> list[str]:
        return [name for name in fields if getattr(self, name) is not None]

    def to_tuple(self: Any) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in self.keys())

    for method in (keys, to_tuple):
        setattr(result, method.__name__, method)
    result.__getitem__ = item  # pyright: ignore
    return result
