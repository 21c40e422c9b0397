"""Checks of what a request is given: each returns the value as a request stores it.

None is nothing given, and stays so. Every check raises ArgumentError, with the argument's name.
"""

import itertools
import json
import math
import operator
from collections.abc import Mapping, Sequence
from typing import Any, SupportsIndex, cast

from kakusan.errors import ArgumentError, shown
from kakusan.samplers import meaning_of

SIZE_STEP = 8
MAX_SIZE = 4096
MAX_STEPS = 1000
MAX_CHARACTERS = 100_000  # of one text; a text encoder has room for some hundreds
MAX_SIGMA = 1e6  # and timestep
MAX_PIXELS = 65536  # of the sizes that SDXL is told


def texts(name: str, value: object) -> tuple[str | None, ...]:
    """One text or several, each of which may be None."""
    given = (value,) if isinstance(value, str) else value
    if not isinstance(given, Sequence) or not all(t is None or isinstance(t, str) for t in given):
        raise ArgumentError(
            f"{{{name}}} must be a text or a list of texts, not {{0}}", shown(value)
        )
    if not given:
        raise ArgumentError(f"{{{name}}} is an empty list; give at least one text")
    longest = max(len(text or "") for text in given)
    if longest > MAX_CHARACTERS:
        raise ArgumentError(
            f"{{{name}}} has {longest} characters; at most {MAX_CHARACTERS} are taken"
        )
    return tuple(given)


def integer(name: str, value: object, minimum: int, maximum: int) -> int | None:
    """A whole number in a range."""
    if value is None:
        return None
    template = f"{{{name}}} must be a whole number from {minimum} to {maximum}, not {{0}}"
    if isinstance(value, bool) or not isinstance(value, SupportsIndex):
        raise ArgumentError(template, shown(value))
    found = operator.index(value)
    if not minimum <= found <= maximum:
        raise ArgumentError(template, shown(found))
    return found


def number(name: str, value: object, minimum: float, maximum: float) -> float | None:
    """A finite number in a range."""
    if value is None:
        return None
    found = _as_float(value)
    if math.isfinite(found) and minimum <= found <= maximum:
        return found
    raise ArgumentError(
        f"{{{name}}} must be a finite number from {minimum:g} to {maximum:g}, not {{0}}",
        shown(value),
    )


def _as_float(value: Any) -> float:
    """NaN for what is no number."""
    try:
        return math.nan if isinstance(value, str | bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan


def size(name: str, value: object) -> int | None:
    """A side of a picture in pixels."""
    side = integer(name, value, SIZE_STEP, MAX_SIZE)
    if side is not None and side % SIZE_STEP:
        below, above = side - side % SIZE_STEP, side - side % SIZE_STEP + SIZE_STEP
        raise ArgumentError(
            f"{{{name}}} must be a multiple of {SIZE_STEP}, not {side}; the nearest are "
            f"{below} and {min(above, MAX_SIZE)}"
        )
    return side


def pair(name: str, value: object) -> tuple[int, int] | None:
    """Two whole numbers of pixels, such as a height and a width."""
    if value is None:
        return None
    given = value if isinstance(value, Sequence) and not isinstance(value, str) else ()
    both = cast("Sequence[object]", given)
    if len(both) != 2:
        raise ArgumentError(
            f"{{{name}}} must be two whole numbers of pixels, (height, width) or (top, left), not "
            "{0}",
            shown(value),
        )
    first, second = (integer(name, each, 0, MAX_PIXELS) for each in both)
    if first is None or second is None:
        raise ArgumentError(f"{{{name}}} must be two whole numbers, not {{0}}", shown(value))
    return first, second


def numbers(name: str, value: object, *, whole: bool) -> tuple[Any, ...] | None:
    """Decreasing timesteps, if `whole`, or sigmas."""
    if value is None:
        return None
    if isinstance(value, str) or not hasattr(value, "__iter__"):
        raise ArgumentError(f"{{{name}}} must be a list of numbers, not {{0}}", shown(value))
    found = [_as_float(item) for item in cast("Sequence[object]", value)]
    if not all(0.0 <= number <= MAX_SIGMA for number in found):
        raise ArgumentError(
            f"each of {{{name}}} must be a finite number from 0 to {MAX_SIGMA:g}, not {{0}}",
            shown(value),
        )
    if not found or any(a <= b for a, b in itertools.pairwise(found)):
        raise ArgumentError(
            f"{{{name}}} must be a list of decreasing numbers, not {{0}}", shown(value)
        )
    fewest = 1 if whole else 2  # the last sigma is where the last step ends
    if not fewest <= len(found) < MAX_STEPS + fewest:
        raise ArgumentError(
            f"{{{name}}} must be {fewest} to {MAX_STEPS + fewest - 1} numbers, not {len(found)}"
        )
    if whole and any(number != int(number) for number in found):
        raise ArgumentError(f"{{{name}}} must be whole numbers, not {{0}}", shown(value))
    return tuple(int(number) for number in found) if whole else tuple(found)


def scheduler(value: object) -> str | dict[str, Any] | None:
    """A name, or a copy of a published config with its class's name in it.

    Or of a mapping with a `name`, and settings that are others than the name says.
    """
    if isinstance(value, str):
        meaning_of(value)  # only to be checked, before torch is loaded
        return value
    if value is None:
        return value
    if not isinstance(value, Mapping):
        raise ArgumentError("{scheduler} must be a name or a config, not {0}", shown(value))
    config = {str(key): each for key, each in cast("Mapping[object, Any]", value).items()}
    if isinstance(name := config.get("name"), str):
        meaning_of(name)
    elif not isinstance(config.get("_class_name"), str):
        raise ArgumentError("{scheduler} is not a mapping with a _class_name")
    try:
        json.dumps(config)
    except (TypeError, ValueError, RecursionError) as error:
        raise ArgumentError("{scheduler} is no plain JSON: {0}", error) from None
    return config
