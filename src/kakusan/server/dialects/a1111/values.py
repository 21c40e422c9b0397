"""What a client sent, read as AUTOMATIC1111 reads it: null is absent, "20" is 20, 1 is true."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from kakusan.errors import shown
from kakusan.server.dialects.a1111.errors import refused
from kakusan.server.dialects.a1111.fields import FIELDS, Field, Use

_TRUE = ("1", "true", "t", "yes", "y", "on")
_FALSE = ("0", "false", "f", "no", "n", "off")
_MOST_NAMED = 50


@dataclass(frozen=True)
class Body:
    """The fields of a call.

    Attributes:
        values: all that there are, with what stands for those that were not given.
        given: the names of those that were, and not as null.
        ignored: what was given and counts for nothing.
    """

    values: Mapping[str, Any]
    given: frozenset[str]
    ignored: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> Any:
        return self.values[name]


def read(sent: Mapping[str, Any], *, is_img2img: bool) -> Body:
    """The fields of txt2img or img2img.

    Raises:
        ApiError: One has another type, or asks for what there is not.
    """
    values: dict[str, Any] = {}
    ignored = [name for name in sent if name not in FIELDS][:_MOST_NAMED]
    given = frozenset(name for name in FIELDS if sent.get(name) is not None)
    for name, field in FIELDS.items():
        values[name] = _value(name, field, sent.get(name))
        if name in given and _counts_for_nothing(field, values[name], is_img2img=is_img2img):
            ignored.append(name)
    return Body(values, given, tuple(ignored))


def _value(name: str, field: Field, sent: object) -> Any:
    if sent is None:
        return field.default
    try:
        value = READERS[field.kind](sent)
    except (TypeError, ValueError, OverflowError):
        raise refused(f"{name} must be {_KINDS[field.kind]}, not {shown(sent)}") from None
    if field.use is Use.NEUTRAL and value not in (field.default, *field.neutral):
        neutral = ", ".join(["null", *(shown(each) for each in field.neutral)])
        raise refused(f"{name} may be {neutral}, not {shown(value)}: {field.why}; leave it out")
    return value


def _counts_for_nothing(field: Field, value: object, *, is_img2img: bool) -> bool:
    if field.use is Use.IMG2IMG:
        return not is_img2img and value != field.default
    return field.use is Use.IGNORED and value not in (field.default, *field.neutral)


def as_bool(value: object) -> bool:
    """Raises ValueError for what is none."""
    if isinstance(value, bool):
        return value
    said = str(value).casefold() if isinstance(value, str | int | float) else ""
    if said in (*_TRUE, "1.0"):
        return True
    if said in (*_FALSE, "0.0"):
        return False
    raise ValueError


def as_int(value: object) -> int:
    """Raises ValueError or TypeError for what is none; what is behind the point is cut off."""
    if isinstance(value, str):
        return int(value.strip()) if len(value) <= 100 else _nothing()
    if isinstance(value, int | float):
        return int(value)
    return _nothing()


def as_float(value: object) -> float:
    """Raises ValueError or TypeError for what is none, NaN included."""
    found = float(value) if isinstance(value, int | float | str) else math.nan
    return found if not math.isnan(found) else _nothing()


def as_str(value: object) -> str:
    """Numbers are texts too, as the API has it; raises TypeError for the rest."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise TypeError
    return str(value)


def as_list(value: object) -> list[Any]:
    """Raises TypeError for what is none."""
    if not isinstance(value, list):
        raise TypeError
    return cast("list[Any]", value)


def as_dict(value: object) -> dict[str, Any]:
    """Raises TypeError for what is none."""
    if not isinstance(value, dict):
        raise TypeError
    return cast("dict[str, Any]", value)


def _nothing() -> Any:
    raise ValueError


READERS: Mapping[str, Callable[[object], Any]] = {
    "str": as_str,
    "int": as_int,
    "float": as_float,
    "bool": as_bool,
    "list": as_list,
    "dict": as_dict,
}
_KINDS = {
    "str": "a text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "list": "a list",
    "dict": "an object",
}
