"""Weights in ComfyUI's syntax: `(word)` and `(word:1.3)`, which replaces what stands around it."""

import math
import re
from bisect import bisect_left
from collections.abc import Iterator
from typing import NamedTuple

from kakusan.errors import RequestError, shown
from kakusan.prompts.parsed import ParsedPrompt, Segment
from kakusan.prompts.plain import parsed_alone

UP = 1.1
_MARK = re.compile(r"\\[()]|([():])")


def parse_comfy(text: str, steps: int) -> ParsedPrompt:
    """Read a prompt; `embedding:name` stays in its text, and nothing in it changes with time."""
    return parsed_alone("comfy", text, comfy_weights(text), steps)


def comfy_weights(text: str) -> tuple[Segment, ...]:
    """The stretches of a text and their weights, as ComfyUI's `token_weights` has them.

    Raises:
        RequestError: A weight is infinite, or none.
    """
    return tuple(_Reader(text).segments()) or (Segment(""),)


def escape_comfy(text: str) -> str:
    """A prompt in this syntax that says `text`; a backslash before a bracket has no escape."""
    return re.sub(r"[()]", r"\\\g<0>", text)


def _unescaped(text: str) -> str:
    return re.sub(r"\\([()])", r"\1", text)


class _Item(NamedTuple):
    """A stretch of the text from `first` up to `end`: brackets with what is in them, or words."""

    first: int
    end: int
    weight: float
    is_group: bool


class _Reader:
    """The brackets and colons of a text, none of them escaped, and what closes what."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.brackets: list[int] = []
        self.colons: list[int] = []
        self.closing: dict[int, int] = {}
        opened: list[int] = []
        for match in _MARK.finditer(text):
            if match[1] == ":":
                self.colons.append(match.start())
            elif match[1]:
                self.brackets.append(match.start())
            if match[1] == "(":
                opened.append(match.start())
            elif match[1] == ")" and opened:
                self.closing[opened.pop()] = match.start()

    def segments(self) -> Iterator[Segment]:
        waiting = list(self.items(0, len(self.text), 1.0))[::-1]
        while waiting:
            item = waiting.pop()
            if item.is_group:
                waiting += list(self.items(*self.inside(item)))[::-1]
            else:
                yield Segment(_unescaped(self.text[item.first : item.end]), item.weight)

    def items(self, first: int, end: int, weight: float) -> Iterator[_Item]:
        """What stands side by side in a stretch of the text.

        Between a closing bracket that nothing opened and the next opening one, brackets are
        words. One that is not closed takes all that follows, as a group if that ends with a
        closing one.
        """
        begin, missing, index = first, 0, bisect_left(self.brackets, first)
        while index < len(self.brackets) and (place := self.brackets[index]) < end:
            index += 1
            if self.text[place] == ")":
                missing += 1
            elif missing:
                missing -= 1
            else:
                if begin < place:
                    yield _Item(begin, place, weight, False)
                close = self.closing.get(place, end)
                begin = min(close + 1, end)
                closed = close < end or (self.text[end - 1] == ")" and self.is_bracket(end - 1))
                yield _Item(place, begin, weight, closed)
                index = bisect_left(self.brackets, begin)
        if begin < end:
            yield _Item(begin, end, weight, False)

    def inside(self, group: _Item) -> tuple[int, int, float]:
        """What is between two brackets, and what it weighs."""
        first, end = group.first + 1, group.end - 1
        colon = bisect_left(self.colons, end) - 1
        place = self.colons[colon] if colon >= 0 else -1
        bracket = bisect_left(self.brackets, end) - 1
        if place > first and self.brackets[bracket] < place:
            weight = _number(self.text[place + 1 : end])
            if weight is not None:
                return first, place, weight
        return first, end, group.weight * UP

    def is_bracket(self, place: int) -> bool:
        index = bisect_left(self.brackets, place)
        return index < len(self.brackets) and self.brackets[index] == place


def _number(text: str) -> float | None:
    try:
        weight = float(text)
    except ValueError:
        return None
    if not math.isfinite(weight):
        raise RequestError(
            f"a weight of the prompt is {shown(text)}; write a number, as in (words:1.3), or "
            "\\( and \\) around what is no weight"
        )
    return weight
