"""Weights in AUTOMATIC1111's syntax: `(word)`, `[word]`, `(word:1.3)`, escapes and BREAK."""

import math
import re
from collections.abc import Iterator, Sequence
from itertools import accumulate, groupby
from operator import itemgetter
from typing import NamedTuple

from kakusan.errors import RequestError, shown
from kakusan.prompts.parsed import BREAK, Segment

UP, DOWN = 1.1, 1 / 1.1
_TOKEN = re.compile(r"\\[()\[\]\\]?|[(\[]|:\s*([+-]?[.\d]+)\s*\)|[)\]]|[^\\()\[\]:]+|:")
_BREAK = re.compile(r"\bBREAK\b")
# Multiplications in the tool's own order, up to which weights are the tool's to the last bit
_EXACT = 2_000_000
_TAKEN = re.compile(r"[\d.\s]\Z")  # what a weight behind a whole prompt ends in, and spaces


class Scaled(NamedTuple):
    """The pieces from `first` up to `end` are multiplied by `by`."""

    first: int
    end: int
    by: float


def attention(text: str) -> tuple[Segment, ...]:
    """The stretches of a text and their weights, as AUTOMATIC1111's parser has them.

    A closing bracket without an opening one is text; an opening one that nothing closes weighs
    all that follows. Neighbours of equal weight are one segment.

    Raises:
        RequestError: A weight is no number, as in `(a:1.2.3)`.
    """
    pieces: list[tuple[str, float]] = []
    scaled: list[Scaled] = []
    rounds: list[int] = []
    squares: list[int] = []
    for match in _TOKEN.finditer(text):
        token = match[0]
        if token == "(":
            rounds.append(len(pieces))
        elif token == "[":
            squares.append(len(pieces))
        elif token[0] == "\\":
            pieces.append((token[1:], 1.0))
        elif token == ")" and rounds:
            scaled.append(Scaled(rounds.pop(), len(pieces), UP))
        elif token == "]" and squares:
            scaled.append(Scaled(squares.pop(), len(pieces), DOWN))
        elif match[1] is not None and rounds:
            scaled.append(Scaled(rounds.pop(), len(pieces), _number(match[1])))
        elif "BREAK" in token:
            pieces += _broken(token)
        else:
            pieces.append((token, 1.0))
    for opened, by in ((rounds, UP), (squares, DOWN)):
        scaled += [Scaled(first, len(pieces), by) for first in opened if first < len(pieces)]
    return weighed(pieces, scaled)


def escape(text: str) -> str:
    """A prompt in this syntax that says `text`, whatever characters are in it.

    Brackets and backslashes have escapes. Anything else that would be grammar is kept apart by a
    backslash, which is dropped when it is read: BREAK, AND, `<name:`, `#`, and what would be
    taken off the end, spaces and a weight.
    """
    text = re.sub(r"[()\[\]\\]", r"\\\g<0>", text)
    text = re.sub(r"\b(A)(ND)\b|\b(B)(REAK)\b", r"\1\3\\\2\4", text)
    text = re.sub(r"#|(?<=<)\w+:", r"\\\g<0>", text)
    return f"{text}\\" if _TAKEN.search(text) else text


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise RequestError(
            f"a weight of the prompt is {shown(text)}, which is no number; write (words:1.3), "
            "or \\( and \\) around what is no weight"
        ) from None


def _broken(text: str) -> Iterator[Segment]:
    """A text without brackets, cut at BREAK, which takes the spaces around it along."""
    parts = _BREAK.split(text)
    last = len(parts) - 1
    for index, part in enumerate(parts):
        if index:
            yield BREAK
            part = part.lstrip()
        yield Segment(part if index == last else part.rstrip())


def weighed(pieces: Sequence[tuple[str, float]], scaled: Sequence[Scaled]) -> tuple[Segment, ...]:
    """Pieces of text with their weights multiplied, and neighbours of equal weight as one."""
    return _merged(pieces, _weights(pieces, scaled))


def _weights(pieces: Sequence[tuple[str, float]], scaled: Sequence[Scaled]) -> list[float]:
    """What each piece weighs."""
    weights = [weight for _, weight in pieces]
    if sum(end - first for first, end, _ in scaled) > _EXACT:
        return _nearly(weights, scaled)
    for first, end, by in scaled:
        for index in range(first, end):
            weights[index] *= by
    return weights


def _nearly(weights: Sequence[float], scaled: Sequence[Scaled]) -> list[float]:
    """The same by sums of logarithms, equal but for rounding, however deep brackets nest."""
    logs, signs, zeros = ([0.0] * (len(weights) + 1) for _ in range(3))
    for first, end, by in scaled:
        for place, way in ((first, 1), (end, -1)):
            logs[place] += way * math.log(min(abs(by), 1e300)) if by else 0.0
            signs[place] += way * (by < 0)
            zeros[place] += way * (by == 0)
    sums = zip(weights, accumulate(logs), accumulate(signs), accumulate(zeros), strict=False)
    return [
        weight * (-1.0) ** negative * (0.0 if zero else math.exp(log) if log < 709 else math.inf)
        for weight, log, negative, zero in sums
    ]


def _merged(pieces: Sequence[tuple[str, float]], weights: Sequence[float]) -> tuple[Segment, ...]:
    """Neighbours of equal weight as one, BREAK beside BREAK too, as the tool does it."""
    weighed = zip(weights, (text for text, _ in pieces), strict=True)
    runs = groupby(weighed, key=itemgetter(0))
    merged = [Segment("".join(text for _, text in run), weight) for weight, run in runs]
    return tuple(merged) or (Segment(""),)
