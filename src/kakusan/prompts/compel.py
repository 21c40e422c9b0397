"""Weights in compel's syntax, which is InvokeAI's: `word+`, `(two words)1.3`, `.blend`, `.and`.

Where a word begins there may be `word+` or `word--`; `(text)` or `"text"`, with `+`, `-` or a
number right behind it, or nothing; `.attend(1.3)` behind any of them; `withLora(name, weight)`.
What is none of these is a word up to the next space, whatever is in it; there are no such words
within brackets and quotes, which are words themselves then.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from kakusan.errors import RequestError, shown
from kakusan.prompts.parsed import Network, ParsedPrompt, Part, Segment, Timed

UP, DOWN = 1.1, 0.9
_DEEPEST = 50  # brackets within brackets; deeper ones are words
_SPACE = r"[ \t\n\r]*"
_NUMBER = r"[+-]?(?:[0-9]+\.[0-9]*|\.[0-9]+)|-?[0-9]+"
_SPACES = re.compile(_SPACE)
_WORD = re.compile(
    r"(?:\\[()\",.+\-=]|[+-](?![ \t\n\r()\",.+\-=]|\Z)|[^ \t\n\r\x0b\x0c()\",.+\-=])+"
)
_FREE = re.compile(r"[^ \t\n\r\x0b\x0c]+")
_QUOTED = re.compile(r'"((?:\\"|[^"\n\r])*)"')
_STEPS = re.compile(r"\++|-+")
_WEIGHT = re.compile(rf"\++|-+|{_NUMBER}")
_ATTEND = re.compile(rf"{_SPACE}\.attend{_SPACE}\({_SPACE}(\++|-+|{_NUMBER}){_SPACE}\)")
_SWAP = re.compile(rf"{_SPACE}\.swap{_SPACE}\([^()]*\)")
_LORA = re.compile(
    rf"(?:use|with)Lora{_SPACE}\({_SPACE}([\w-]+){_SPACE}(?:,{_SPACE}({_NUMBER}){_SPACE})?\)",
    re.ASCII,
)
_JOINING = re.compile(r"\s*\.(blend|and|add)\s*\(([^()]*)\)\s*")


class Lora(NamedTuple):
    """`withLora(name, weight)`."""

    name: str
    weight: float


class Weighed(NamedTuple):
    """Pieces whose weights are multiplied."""

    weight: float
    pieces: "tuple[Piece, ...]"


Piece = str | Lora | Weighed


class _Read(NamedTuple):
    """What was read up to `end`."""

    end: int
    pieces: tuple[Piece, ...]


def parse_compel(text: str, steps: int) -> ParsedPrompt:
    """Read a prompt.

    `("a", "b").blend(.6, .4)` has a part for each text, "blended"; `.and` has "chained" ones.

    Raises:
        RequestError: It asks for a swap, or its weights cannot be used.
    """
    text = re.sub(r",(\S)", r", \1", text)
    reader = _Reader(text)
    joined = reader.joined()
    if joined is None:
        return _prompt(steps, [(1.0, text, reader.prompt())])
    end, sides = joined
    joining = _JOINING.match(text, end)
    if joining is None:
        return _prompt(steps, [(1.0, text, reader.prompt())])
    how, said = joining[1], joining[2]
    if joining.end() < len(text):
        raise RequestError(
            f"behind .{how}(...) a prompt has {shown(text[joining.end() :])}; compel has nothing "
            "there, so put it into the texts"
        )
    weights, normalized = _weights(how, said, len(sides))
    parsed = _prompt(steps, [(w, *side) for w, side in zip(weights, sides, strict=True)])
    return ParsedPrompt(
        "compel",
        parsed.parts,
        parsed.networks,
        "blended" if how == "blend" else "chained",
        normalized,
    )


def _prompt(steps: int, sides: Sequence[tuple[float, str, Sequence[Piece]]]) -> ParsedPrompt:
    parts: list[Part] = []
    networks: list[Network] = []
    for weight, text, pieces in sides:
        flat = list(_flat(pieces))
        loras = [each for each in flat if isinstance(each, Lora)]
        networks += [Network("lora", each.name, each.weight, each.weight) for each in loras]
        segments = _fused(each for each in flat if isinstance(each, Segment))
        parts.append(Part(weight, (Timed(steps, text, segments),)))
    return ParsedPrompt("compel", tuple(parts), tuple(networks))


def _flat(pieces: Sequence[Piece], weight: float = 1.0) -> Iterator[Segment | Lora]:
    for piece in pieces:
        if isinstance(piece, Weighed):
            yield from _flat(piece.pieces, weight * piece.weight)
        elif isinstance(piece, Lora):
            yield piece
        else:
            yield Segment(piece, weight)


def _fused(segments: Iterable[Segment]) -> tuple[Segment, ...]:
    """Neighbours of equal weight as one, with a space between them.

    Before a bracket or a quote compel drops two backslashes, and one for each neighbour that is
    joined to the text so far.
    """
    fused: list[Segment] = []
    for weight, run in groupby(segments, key=attrgetter("weight")):
        texts = [each.text for each in run]
        times = (2 + len(texts) - max(place, 1) for place in range(len(texts)))
        text = " ".join(map(_unescaped, texts, times))
        fused.append(Segment(text, weight))
    return tuple(fused) or (Segment(""),)


def _unescaped(text: str, times: int) -> str:
    if "\\" not in text:
        return text
    return re.sub(r"(\\+)(?=[()\"])", lambda match: match[1][times:], text)


def _weights(how: str, said: str, count: int) -> tuple[list[float], bool]:
    """The numbers behind `.blend` or `.and`, and whether they are made to sum to 1."""
    options = [each.strip() for each in said.split(",")] if said.strip() else []
    normalized = how != "blend" or options[-1:] != ["no_normalize"]
    options = options if normalized else options[:-1]
    for option in options:
        if not re.fullmatch(_NUMBER, option):
            raise RequestError(
                f".{how}(...) has {shown(option)}; it takes numbers, one for each text"
            )
    if options and len(options) != count:
        raise RequestError(f".{how}(...) has {len(options)} weights for {count} texts")
    weights = [float(option) for option in options] or [1.0] * count
    if how == "blend" and normalized and not sum(weights):
        raise RequestError(
            ".blend(...) has weights that sum to 0, of which no share can be taken; write others, "
            "or no_normalize behind them"
        )
    return weights, normalized


class _Reader:
    """Reads a text; what brackets and quotes hold is read once for each place."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.read: dict[int, _Read | None] = {}

    def prompt(self) -> list[Piece]:
        """The whole text, in which anything may stand."""
        pieces: list[Piece] = []
        place = self.skip(0)
        while place < len(self.text):
            read = self.item(place, 0)
            if read is None:
                word = _FREE.match(self.text, place)
                read = _Read(place + 1, ()) if word is None else _Read(word.end(), (word[0],))
            pieces += read.pieces
            place = self.skip(read.end)
        return pieces

    def joined(self) -> tuple[int, list[tuple[str, Sequence[Piece]]]] | None:
        """The texts within the brackets that `.blend` and `.and` stand behind."""
        place = self.skip(0)
        if not self.text.startswith("(", place):
            return None
        sides: list[tuple[str, Sequence[Piece]]] = []
        while place < len(self.text) and (not sides or self.text[place] == ","):
            place = self.skip(place + 1)
            read = self.side(place)
            if read is None:
                return None
            said = self.text[place : read.end]
            sides.append((said[1:-1] if said[:1] == '"' else said, read.pieces))
            place = self.skip(read.end)
        return (place + 1, sides) if self.text.startswith(")", place) else None

    def side(self, place: int) -> _Read | None:
        quoted = _QUOTED.match(self.text, place)
        if quoted is None or self.quoted(place) is not None:
            return self.enclosed(place, 0) or self.word(place)
        return _Read(quoted.end(), tuple(_Reader(quoted[1]).prompt()))

    def fragment(self, place: int, depth: int, closing: str) -> _Read | None:
        """A text up to a closing bracket, or the end, in which every word is one."""
        pieces: list[Piece] = []
        while (place := self.skip(place)) < len(self.text):
            if closing and self.text[place] == closing:
                return _Read(place + 1, tuple(pieces))
            if self.text[place] in ",.":
                read = _Read(place + 1, (self.text[place],))
            else:
                read = self.item(place, depth) or self.word(place)
            if read is None:
                return None
            pieces += read.pieces
            place = read.end
        return None if closing else _Read(place, tuple(pieces))

    def item(self, place: int, depth: int) -> _Read | None:
        """A LoRA, something weighed, or brackets or quotes; no plain word."""
        if lora := _LORA.match(self.text, place):
            return _Read(lora.end(), (Lora(lora[1], float(lora[2] or 1)),))
        enclosed = self.enclosed(place, depth)
        target = enclosed or self.word(place)
        if target is None:
            return None
        if _SWAP.match(self.text, target.end):
            raise RequestError(
                "the prompt has .swap(...), which kakusan does not do; write one of the two texts"
            )
        weight = _ATTEND.match(self.text, target.end)
        if weight is not None:
            return _Read(weight.end(), (Weighed(_factor(weight[1]), target.pieces),))
        weight = (_STEPS if enclosed is None else _WEIGHT).match(self.text, target.end)
        if weight is None:
            return enclosed
        return _Read(weight.end(), (Weighed(_factor(weight[0]), target.pieces),))

    def enclosed(self, place: int, depth: int) -> _Read | None:
        if place not in self.read:
            if self.text.startswith('"', place):
                self.read[place] = self.quoted(place)
            elif self.text.startswith("(", place) and depth < _DEEPEST:
                self.read[place] = self.fragment(place + 1, depth + 1, ")")
            else:
                return None
        return self.read[place]

    def quoted(self, place: int) -> _Read | None:
        match = _QUOTED.match(self.text, place)
        if match is None:
            return None
        if not match[1].strip():
            return _Read(match.end(), ("",))
        read = _Reader(match[1]).fragment(0, 0, "")
        return None if read is None else _Read(match.end(), read.pieces)

    def word(self, place: int) -> _Read | None:
        match = _WORD.match(self.text, place)
        return None if match is None else _Read(match.end(), (match[0],))

    def skip(self, place: int) -> int:
        match = _SPACES.match(self.text, place)
        return place if match is None else match.end()


def _factor(said: str) -> float:
    if not said.strip("+"):
        number = UP ** len(said) if len(said) < 1000 else None
    elif not said.strip("-"):
        number = DOWN ** len(said)
    else:
        number = float(said) if len(said) < 300 else None
    if number is None:
        raise RequestError(f"a weight of the prompt is {shown(said)}, which is too much")
    return number
