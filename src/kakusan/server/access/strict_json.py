"""JSON from outside: only what every reader takes for the same."""

import json
import math
import re
from typing import Any, NoReturn, cast

from starlette.requests import Request

from kakusan.server.errors import FieldError, WrongType

DEEPEST = 32
_SURROGATE = re.compile("[\ud800-\udfff]")


class NotJson(FieldError):  # noqa: N818
    """What was sent as JSON is none that is taken."""

    def __init__(self, why: str) -> None:
        super().__init__("body", f"the body is no JSON that is taken: {why}")


async def json_of(request: Request, *, any_type: bool = False) -> Any:
    """The JSON in a request's body.

    Args:
        any_type: whether it may be called something else, as old clients do.

    Raises:
        WrongType: It is not called JSON.
        NotJson: It is none, or has what not every reader takes.
    """
    if not any_type and not is_json(request.headers.get("content-type", "")):
        raise WrongType("body", "send the body as JSON, with Content-Type: application/json")
    return parsed(await request.body())


def is_json(content_type: str) -> bool:
    """Whether a header says JSON."""
    kind = content_type.partition(";")[0].strip().casefold()
    return kind == "application/json" or (
        kind.startswith("application/") and kind.endswith("+json")
    )


def parsed(data: bytes) -> Any:
    """JSON in UTF-8, without NaN, infinities, lone surrogates, or a name twice in one object.

    Raises:
        NotJson: It is something else, or deeper than `DEEPEST`.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise NotJson("it is not UTF-8") from None
    try:
        value = json.loads(
            text, parse_constant=_refuse, parse_float=_finite, object_pairs_hook=_pairs
        )
    except NotJson:
        raise
    except RecursionError:
        raise NotJson(f"it is deeper than {DEEPEST}") from None
    except json.JSONDecodeError as error:
        raise NotJson(f"{error.msg} at character {error.pos}") from None
    except ValueError:  # whole numbers of thousands of digits
        raise NotJson("it has a number that is too long") from None
    _check(value)
    return value


def _refuse(word: str) -> NoReturn:
    raise NotJson(f"{word} is no number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise NotJson("it has a number that is too large")
    return value


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise NotJson("an object has a name twice")
    return found


def _check(value: Any) -> None:
    level: list[Any] = [value]
    for _ in range(DEEPEST + 1):
        below: list[Any] = []
        for each in level:
            if isinstance(each, str):
                _check_text(each)
            elif isinstance(each, list):
                below += cast("list[Any]", each)
            elif isinstance(each, dict):
                told = cast("dict[str, Any]", each)
                below += [*told, *told.values()]
        if not below:
            return
        level = below
    raise NotJson(f"it is deeper than {DEEPEST}")


def _check_text(text: str) -> None:
    if not text.isascii() and _SURROGATE.search(text):
        raise NotJson("a text has half of a character (a lone surrogate)")
