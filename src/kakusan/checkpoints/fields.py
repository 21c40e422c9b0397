"""A strict reader for the fields of published JSON: every value is checked where it is read."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from kakusan.checkpoints.files import JSON, describe
from kakusan.errors import CheckpointError

T = TypeVar("T")

# No list in a published config is nearly as long (trained betas: 1000).
MAX_ITEMS = 100_000


class Fields:
    """The fields of one JSON object; `where` (usually the file) begins every message.

    A field that is absent or null takes its default; without a default it is required.
    Every method raises `CheckpointError` that names file, key, what was got and what is allowed.
    """

    def __init__(self, json: Mapping[str, JSON], where: str) -> None:
        self.json = json
        self.where = where

    def has(self, key: str) -> bool:
        """Whether the field is there and not null."""
        return self.json.get(key) is not None

    def integer(
        self, key: str, default: int | None = None, *, minimum: int = 1, maximum: int = 1_000_000
    ) -> int:
        """An integer in [minimum, maximum]."""
        if not self.has(key):
            return self._default(key, default)
        return self._checked_integer(key, self.json[key], minimum, maximum)

    def number(
        self,
        key: str,
        default: float | None = None,
        *,
        minimum: float = -1e12,
        maximum: float = 1e12,
    ) -> float:
        """A finite number in [minimum, maximum]; an integer is taken as a float."""
        if not self.has(key):
            return self._default(key, default)
        value = self.json[key]
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._wrong(key, value, "a number")
        if not minimum <= value <= maximum:  # also false for NaN
            raise self._wrong(key, value, f"a number from {minimum:g} to {maximum:g}")
        return float(value)

    def boolean(self, key: str, default: bool | None = None) -> bool:
        """True or false."""
        if not self.has(key):
            return self._default(key, default)
        value = self.json[key]
        if not isinstance(value, bool):
            raise self._wrong(key, value, "true or false")
        return value

    def text(self, key: str, default: str | None = None) -> str:
        """A string."""
        if not self.has(key):
            return self._default(key, default)
        value = self.json[key]
        if not isinstance(value, str):
            raise self._wrong(key, value, "a string")
        return value

    def choice(self, key: str, default: str | None, allowed: Sequence[str]) -> str:
        """A string that is one of `allowed`."""
        value = self.text(key, default)
        if value not in allowed:
            raise self._wrong(key, value, f"one of {', '.join(allowed)}")
        return value

    def integers(
        self,
        key: str,
        default: Sequence[int] | int | None = None,
        *,
        length: int | None = None,
        minimum: int = 1,
        maximum: int = 1_000_000,
    ) -> tuple[int, ...]:
        """A list of integers; a single integer stands for `length` (else one) of them."""
        values = self._list(key, default)
        if len(values) == 1 and length is not None and not isinstance(self.json.get(key), list):
            values = values * length
        self._check_length(key, values, length)
        return tuple(self._checked_integer(key, value, minimum, maximum) for value in values)

    def numbers(
        self, key: str, default: Sequence[float] | None = None, *, length: int | None = None
    ) -> tuple[float, ...]:
        """A list of finite numbers."""
        values = self._list(key, default)
        self._check_length(key, values, length)
        return tuple(Fields({key: value}, self.where).number(key) for value in values)

    def texts(
        self, key: str, default: Sequence[str] | None = None, *, length: int | None = None
    ) -> tuple[str, ...]:
        """A list of strings."""
        values = self._list(key, default)
        self._check_length(key, values, length)
        return tuple(Fields({key: value}, self.where).text(key) for value in values)

    def objects(self, key: str) -> list[dict[str, JSON]]:
        """A list of objects; empty if absent."""
        value = self.json.get(key) or []
        if not isinstance(value, list):
            raise self._wrong(key, value, "a list of objects")
        objects = [item for item in value if isinstance(item, dict)]
        if len(objects) != len(value):
            raise self._wrong(key, value, "a list of objects")
        return objects

    def part(self, key: str, default: Mapping[str, JSON] | None = None) -> "Fields":
        """The fields of a nested object."""
        value = self.json.get(key)
        if value is None and default is not None:
            value = dict(default)
        if not isinstance(value, dict):
            raise self._wrong(key, value, "an object")
        return Fields(value, f"{self.where}: {key}")

    def _list(self, key: str, default: "Sequence[JSON] | JSON") -> list[JSON]:
        value = self.json[key] if self.has(key) else self._default(key, default)
        if isinstance(value, Sequence) and not isinstance(value, str):
            if len(value) > MAX_ITEMS:
                raise self._wrong(key, list(value), f"at most {MAX_ITEMS} values")
            return list(value)
        return [value]

    def _check_length(self, key: str, values: list[JSON], length: int | None) -> None:
        if length is not None and len(values) != length:
            raise self._wrong(key, values, f"a list of {length} values")

    def _checked_integer(self, key: str, value: JSON, minimum: int, maximum: int) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise self._wrong(key, value, "an integer")
        if not minimum <= value <= maximum:
            raise self._wrong(key, value, f"an integer from {minimum} to {maximum}")
        return value

    def _default(self, key: str, default: T | None) -> T:
        if default is None:
            raise CheckpointError(f"{self.where} has no field {key!r}.")
        return default

    def _wrong(self, key: str, value: JSON, allowed: str) -> CheckpointError:
        return CheckpointError(f"{self.where}: {key!r} is {describe(value)}; it must be {allowed}.")
