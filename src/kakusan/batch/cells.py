"""What stands in a cell, as the field of a `Request` that it is for takes it."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, cast

from kakusan.errors import RequestError, shown
from kakusan.request import Request

_TEXT, _WHOLE, _NUMBER, _TRUTH, _JSON = "text", "whole", "number", "truth", "json"
_TRUTHS = {"true": True, "false": False, "yes": True, "no": False, "1": True, "0": False}
_WHOLE_TEXT = re.compile(r"[+-]?\d{1,30}(?:\.0*)?")  # programs write 20 as 20.0
_LARGEST = 1e300  # a whole number that is not far larger than any that means something
_SEEDS, _RANDOM = ("seed", "variation_seed"), -1  # as other tools write that none is given
# Text that is no JSON is a number here
_NUMBERS = ("second_pass", "upscale")


def _kind(name: str, of: object) -> str:
    plain = {
        **dict.fromkeys((int, int | None), _WHOLE),
        **dict.fromkeys((float, float | None), _NUMBER),
        **dict.fromkeys((bool, bool | None), _TRUTH),
        str | None: _TEXT,
    }
    texts = ("prompt", "negative_prompt", "prompt_2", "negative_prompt_2")
    if name in (*texts, "template", "negative_template"):
        return _TEXT
    return plain.get(cast("Any", of), _JSON)


# What each field of a request is made of
KINDS: Mapping[str, str] = {each.name: _kind(each.name, each.type) for each in fields(Request)}


def value_of(field: str, cell: object, column: str) -> Any:
    """A cell's value, which `Request` is yet to check; None where nothing is given.

    Args:
        column: what messages call the field.

    Raises:
        RequestError: It is a text of another kind.
    """
    if cell is None or cell == "":
        return None
    kind = KINDS[field]
    if kind == _TEXT and not isinstance(cell, str):
        raise RequestError(f"{column} must be a text, not {shown(cell)}")
    if kind == _TEXT:
        return cell
    if kind in (_WHOLE, _NUMBER) and not isinstance(cell, bool):
        number = _number(column, cell, whole=kind == _WHOLE)
        return None if field in _SEEDS and number == _RANDOM else number
    if isinstance(cell, str):
        return _truth(column, cell) if kind == _TRUTH else _json(field, cell, column)
    return _without_none(cell)


def _number(column: str, cell: object, *, whole: bool) -> object:
    """As many as it says; what is no number is left to `Request` where it is none of a text."""
    if isinstance(cell, str):
        text = cell.strip()
        if whole and _WHOLE_TEXT.fullmatch(text):
            return int(text.partition(".")[0])
        try:
            found = float(text)
        except ValueError:
            kind = "a whole number" if whole else "a number"
            raise RequestError(f"{column} must be {kind}, not {shown(cell)}") from None
        cell = found
    if whole and isinstance(cell, float) and cell.is_integer():
        return int(cell)
    if not whole and isinstance(cell, int | float) and abs(cell) < _LARGEST:
        return float(cell)
    return cell


def _truth(column: str, text: str) -> bool:
    found = _TRUTHS.get(text.strip().casefold())
    if found is None:
        raise RequestError(f"{column} must be true or false, not {shown(text)}")
    return found


def _json(field: str, text: str, column: str) -> Any:
    stripped = text.strip()
    if stripped[:1] in ("{", "["):
        try:
            return _without_none(json.loads(stripped))
        except (ValueError, RecursionError) as error:
            raise RequestError(f"{column} is no JSON: {error}") from None
    if field == "pad_conds":
        return _TRUTHS.get(stripped.casefold(), text)
    return _number(column, text, whole=False) if field in _NUMBERS else text


def _without_none(value: Any) -> Any:
    """Mappings without what is not given, as files of columns have it."""
    if isinstance(value, Mapping):
        pairs = cast("Mapping[object, Any]", value).items()
        return {str(name): _without_none(each) for name, each in pairs if each is not None}
    if isinstance(value, list | tuple):
        return [_without_none(each) for each in cast("list[Any]", value)]
    return value


def plain(value: Any) -> Any:
    """A value that any reader of JSON takes: NaN is null, and dates are texts."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        pairs = cast("Mapping[object, Any]", value).items()
        return {str(name): plain(each) for name, each in pairs}
    if isinstance(value, list | tuple):
        return [plain(each) for each in cast("list[Any]", value)]
    if isinstance(value, bytes | bytearray | memoryview):
        return None
    said = getattr(value, "isoformat", None)
    return str(value) if said is None else str(said())
