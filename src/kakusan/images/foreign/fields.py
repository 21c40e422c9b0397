"""A stranger's settings: each value in its bounds, and nothing lost of what is not known."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import cast

from kakusan.errors import shown

MOST_STEPS, LARGEST_SEED, LARGEST_SIDE = 10_000, 2**64 - 1, 65_535
LARGEST_WEIGHT = 1000.0
_LONGEST_JSON = 2**23  # characters
_LONGEST_NAME = 500  # characters of a model's, a sampler's
_LONGEST_UNKNOWN = 4000  # characters of a value that is only shown
_MOST_UNKNOWN = 200
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def parsed(text: str | None) -> object:
    """What a JSON text says; None where it is none, too long or too deep."""
    if text is None or len(text) > _LONGEST_JSON:
        return None
    try:
        return json.loads(text.strip("\0 \t\r\n"), strict=False, parse_int=_whole_number)
    except (ValueError, RecursionError):
        return None


def parsed_object(text: str | None) -> Mapping[str, object] | None:
    """The same where it is an object."""
    found = parsed(text) if text is not None and text.lstrip("\0 \t\r\n").startswith("{") else None
    return as_object(found)


def as_object(value: object) -> Mapping[str, object] | None:
    return cast("Mapping[str, object]", value) if isinstance(value, dict) else None


def as_list(value: object) -> Sequence[object]:
    return cast("Sequence[object]", value) if isinstance(value, list) else ()


def _whole_number(digits: str) -> int | float:
    return int(digits) if len(digits) < 40 else float(digits)


def as_number(value: object) -> float | int | None:
    """A finite number, whether it stands there as one or as a text."""
    if isinstance(value, str):
        text = value.strip()
        if len(text) > 40 or not _NUMBER.fullmatch(text):
            return None
        value = int(text) if re.fullmatch(r"[+-]?\d+", text) else float(text)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if math.isfinite(value) else None


class Fields:
    """Settings by name: what is taken is known, and the rest is left over.

    Attributes:
        refused: in whole sentences, which values cannot be.
    """

    def __init__(self, told: Mapping[str, object]) -> None:
        self._told = dict(told)
        self.refused: list[str] = []

    def __contains__(self, name: str) -> bool:
        return name in self._told

    def look(self, name: str) -> object:
        """A value that stays."""
        return self._told.get(name)

    def names(self) -> list[str]:
        """Of what was not taken yet."""
        return list(self._told)

    def give(self, name: str, value: object) -> None:
        """Put a value there, as if it had been told."""
        self._told[name] = value

    def take(self, *names: str) -> object:
        """The first value there is under these names, all of which are known then."""
        found = [self._told.pop(name, None) for name in names]
        return next((value for value in found if value is not None), None)

    def drop(self, *names: str, usual: Sequence[object] = ()) -> None:
        """Take what changes nothing of a picture: these names, where they have a usual value.

        Args:
            usual: the values, as numbers, texts or truth values; none are given where any is usual.
        """
        for name in names:
            value = self._told.get(name)
            if not usual or any(_is_usual(value, each) for each in usual):
                self._told.pop(name, None)

    def text(self, *names: str, longest: int | None = None) -> str | None:
        """A text; of a name no more than its beginning. Numbers become texts, nothing else."""
        value = self.take(*names)
        if isinstance(value, int | float) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str):
            self._put_back(names, value)
            return None
        longest = _LONGEST_NAME if longest is None else longest
        return value if len(value) <= longest else f"{value[: longest - 3]}..."

    def prompt(self, *names: str) -> str | None:
        """A text of any length."""
        return self.text(*names, longest=2**31)

    def number(self, *names: str, low: float, high: float) -> float | int | None:
        value = self.take(*names)
        found = as_number(value)
        if found is not None and low <= found <= high:
            return found
        self._refuse(names, value)
        return None

    def whole(self, *names: str, low: int, high: int) -> int | None:
        found = self.number(*names, low=low, high=high)
        if found is not None and found != int(found):
            self._refuse(names, found)
            return None
        return None if found is None else int(found)

    def flag(self, *names: str) -> bool | None:
        value = self.take(*names)
        word = str(value).strip().casefold() if isinstance(value, str | bool | int) else ""
        if word in ("true", "1", "enable", "enabled", "yes"):
            return True
        return False if word in ("false", "0", "disable", "disabled", "no") else None

    def pair(self, *names: str) -> tuple[int, int] | None:
        """Two sides, as in `512x768`, `(512, 768)` or `512 × 768`."""
        value = self.take(*names)
        text = value if isinstance(value, str) and len(value) < 40 else ""
        match = re.fullmatch(r"\W*(\d{1,6})\s*(?:[xX×*,∣|]\s*)+(\d{1,6})\W*", text)
        if match is None or not 0 < int(match[1]) <= LARGEST_SIDE >= int(match[2]) > 0:
            self._refuse(names, value)
            return None
        return int(match[1]), int(match[2])

    def mapping(self, *names: str) -> Mapping[str, object] | None:
        """An object, or a text that is one in JSON."""
        value = self.take(*names)
        found = parsed_object(value) if isinstance(value, str) else as_object(value)
        if found is None:
            self._put_back(names, value)
        return found

    def items(self, *names: str) -> Sequence[object]:
        """A list, or a text that is one in JSON."""
        value = self.take(*names)
        if isinstance(value, str) and value.lstrip().startswith("["):
            return as_list(parsed(value))
        if not isinstance(value, list):
            self._put_back(names, value)
        return as_list(value)

    def seed(self, *names: str) -> int | None:
        return self.whole(*names, low=0, high=LARGEST_SEED)

    def steps(self, *names: str) -> int | None:
        return self.whole(*names, low=1, high=MOST_STEPS)

    def side(self, *names: str) -> int | None:
        return self.whole(*names, low=1, high=LARGEST_SIDE)

    def weight(self, *names: str) -> float | int | None:
        return self.number(*names, low=-LARGEST_WEIGHT, high=LARGEST_WEIGHT)

    def fraction(self, *names: str) -> float | int | None:
        return self.number(*names, low=0, high=1)

    def left(self) -> dict[str, object]:
        """What was not taken, no longer than can be shown; what says nothing is left out."""
        found = {
            name if len(name) <= 100 else f"{name[:97]}...": short(value)
            for name, value in list(self._told.items())[:_MOST_UNKNOWN]
            if value is not None and value != "" and value != [] and value != {}
        }
        more = len(self._told) - _MOST_UNKNOWN
        return found | ({"...": f"and {more} more"} if more > 0 else {})

    def _put_back(self, names: tuple[str, ...], value: object) -> None:
        if value is not None:
            self._told[names[0]] = value

    def _refuse(self, names: tuple[str, ...], value: object) -> None:
        if value is not None and value != "":
            self._put_back(names, value)
            self.refused.append(f"its {names[0]} is {shown(value)}, which cannot be.")


def _is_usual(value: object, usual: object) -> bool:
    if isinstance(value, bool) or isinstance(usual, bool):
        return str(value).casefold() == str(usual).casefold()
    number = as_number(usual)
    if number is not None:
        return as_number(value) == number
    return isinstance(value, str) and value.casefold() == str(usual).casefold()


def short(value: object) -> object:
    """A value as it is where it is short, else the beginning of its JSON."""
    try:
        text = value if isinstance(value, str) else json.dumps(value, allow_nan=False)
    except (ValueError, RecursionError, TypeError):  # NaN is none of JSON's
        return shown(value)
    return value if len(text) <= _LONGEST_UNKNOWN else f"{text[: _LONGEST_UNKNOWN - 3]}..."
