"""How people type a network that steers: `canny:picture.png@FOLDER_OR_FILE:0.8:0.0-0.6:prompt`."""

import math
import os
import re
from collections.abc import Iterator
from typing import NamedTuple

from kakusan.errors import ArgumentError, shown
from kakusan.request.controls import CONTROL_MODES, MAX_SCALE, ControlAsked
from kakusan.request.preprocessors import made_by
from kakusan.request.steered import RESIZE_MODES

FORM = "KIND:PICTURE@MODEL[:SCALE[:START-END[:MODE]]]"
_EXAMPLE = "canny:picture.png@FOLDER:0.8:0.0-0.6"
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+|nan|inf)(?:e-?\d+)?"
_SPAN = re.compile(rf"({_NUMBER})-({_NUMBER})", re.IGNORECASE)
_SCALE = re.compile(_NUMBER, re.IGNORECASE)
_TYPE = re.compile(r"type=(\d{1,2})")
_MOST_PIECES = 6


class TypedControl(NamedTuple):
    """A network that steers, as it was typed.

    Attributes:
        picture: the file of its picture.
        asked: the rest; its model is a folder, a file or a Hub id.
    """

    picture: str
    asked: ControlAsked


def typed_control(text: str, mode: str | None = None) -> TypedControl:
    """What was typed for one network.

    Paths may hold colons and @: what is there decides, from the longest on.

    Args:
        mode: where none is typed here; "balanced" where it is None.

    Raises:
        ArgumentError: It has another form, or a value is out of its range.
    """
    kind, colon, rest = text.partition(":")
    if not colon:
        raise _malformed(text)
    found: ControlAsked = ControlAsked(kind=str(made_by(kind)), mode=mode or "balanced")
    picture, model = _parted(text, rest)
    name, pieces = _named(model)
    if not picture or not name:
        raise _malformed(text)
    for piece in pieces:
        found = _with(found, piece)
    return TypedControl(picture, checked(found._replace(model=name)))


def checked(asked: ControlAsked) -> ControlAsked:
    """The same.

    Raises:
        ArgumentError: It ends before it starts, or is stronger than anything.
    """
    if not (math.isfinite(asked.scale) and abs(asked.scale) <= MAX_SCALE):
        raise ArgumentError(
            "the scale of {controls} must be a number from {0:g} to {1:g}, not {2:g}",
            *(-MAX_SCALE, MAX_SCALE, asked.scale),
        )
    if not (0.0 <= asked.start <= 1.0 and 0.0 <= asked.end <= 1.0):
        raise ArgumentError(
            "the start and end of {controls} are parts of the steps from 0 to 1, not {0:g}-{1:g}",
            *(asked.start, asked.end),
        )
    if asked.start >= asked.end:
        raise ArgumentError(
            "the start of {controls} must be below the end, not {0:g}-{1:g}",
            *(asked.start, asked.end),
        )
    return asked


def _parted(text: str, rest: str) -> tuple[str, str]:
    """The picture, and what stands behind its @."""
    cuts = [place for place, each in enumerate(rest) if each == "@"]
    if not cuts or os.path.isfile(os.path.expanduser(rest)):
        raise _malformed(text)
    there = [cut for cut in cuts if os.path.isfile(os.path.expanduser(rest[:cut]))]
    cut = there[-1] if there else cuts[0]
    return rest[:cut], rest[cut + 1 :]


def _named(text: str) -> tuple[str, list[str]]:
    """The network, and the pieces behind it."""
    whole = text.split(":")
    for count in range(min(len(whole) - 1, _MOST_PIECES) + 1):
        name = ":".join(whole[: len(whole) - count])
        if os.path.exists(os.path.expanduser(name)):
            return name, whole[len(whole) - count :]
    pieces: list[str] = []
    while len(whole) > 1 and _is_piece(whole[-1]):
        pieces.insert(0, whole.pop())
    return ":".join(whole), pieces


def _is_piece(text: str) -> bool:
    words = {*CONTROL_MODES, *RESIZE_MODES}
    patterns = (_SCALE, _SPAN, _TYPE)
    return text in words or any(each.fullmatch(text) for each in patterns)


def _with(asked: ControlAsked, piece: str) -> ControlAsked:
    if piece in CONTROL_MODES:
        return asked._replace(mode=piece)
    if piece in RESIZE_MODES:
        return asked._replace(resize_mode=piece)
    if match := _TYPE.fullmatch(piece):
        return asked._replace(type=int(match[1]))
    if match := _SPAN.fullmatch(piece):
        return asked._replace(start=float(match[1]), end=float(match[2]))
    if _SCALE.fullmatch(piece):
        return asked._replace(scale=float(piece))
    raise ArgumentError(
        "{controls}: {0} is no scale, no START-END, none of {1} and none of {2}",
        *(shown(piece), ", ".join(CONTROL_MODES), ", ".join(RESIZE_MODES)),
    )


def _malformed(text: str) -> ArgumentError:
    return ArgumentError(f"{{controls}} must be {FORM}, such as {_EXAMPLE}, not {{0}}", shown(text))


def spelled(asked: ControlAsked) -> Iterator[str]:
    """The pieces of a network's settings that are not usual, as they are typed."""
    if asked.scale != 1.0 or (asked.start, asked.end) != (0.0, 1.0):
        yield f"{asked.scale:g}"
    if (asked.start, asked.end) != (0.0, 1.0):
        yield f"{asked.start:g}-{asked.end:g}"
    if asked.mode != "balanced":
        yield asked.mode
