"""Divides texts into words, Japanese ones too, which have no spaces between them."""

import enum
import re
import unicodedata
from collections.abc import Iterator, Set
from typing import NamedTuple

_JOINING = "-'"
_IN_NUMBERS = re.compile(r"(?<=\d)[.:](?=\d)")
_NUMERALS = "一二三四五六七八九十"


class Script(enum.Enum):
    """What a character is written in."""

    HIRAGANA = enum.auto()
    KATAKANA = enum.auto()
    KANJI = enum.auto()
    OTHER = enum.auto()


_RANGES = (
    ("\u3041", "\u309f", Script.HIRAGANA),
    ("\u30a0", "\u30ff", Script.KATAKANA),
    ("\u31f0", "\u31ff", Script.KATAKANA),
    ("\uff66", "\uff9f", Script.KATAKANA),
    ("\u3005", "\u3007", Script.KANJI),
    ("\u3400", "\u4dbf", Script.KANJI),
    ("\u4e00", "\u9fff", Script.KANJI),
    ("\uf900", "\ufaff", Script.KANJI),
    ("\U00020000", "\U0003ffff", Script.KANJI),
)


def script_of(character: str) -> Script:
    """The script of one character."""
    if character < _RANGES[-1][0] and not "\u3005" <= character <= "\uff9f":
        return Script.OTHER
    found = (script for first, last, script in _RANGES if first <= character <= last)
    return next(found, Script.OTHER)


def units(text: str) -> Iterator[str]:
    """What stands between spaces and punctuation: letters and digits, and pictographs one by one.

    Hyphens, apostrophes, and the points in numbers join.
    """
    points = {match.start() for match in _IN_NUMBERS.finditer(text)}
    spaced: list[str] = []
    for index, character in enumerate(text.replace("\u2019", "'")):
        kind = unicodedata.category(character)
        if kind[0] in "LMN" or character in _JOINING or index in points:
            spaced.append(character)
        else:
            spaced.append(f" {character} " if kind == "So" else " ")
    for unit in "".join(spaced).split():
        unit = unit.strip(_JOINING)
        if any(unicodedata.category(each)[0] in "LNS" for each in unit):
            yield unit


class _Way(NamedTuple):
    """A way through the beginning of a unit: what it costs, and the pieces that it divides into."""

    cost: float
    end: int
    is_known: bool
    is_particle: bool
    before: "_Way | None"


def stretches(unit: str, known: Set[str]) -> list[str]:
    """What of a unit is not known, when as much of it as possible is divided into known words.

    A word ends where the script changes, or anywhere in hiragana; counts may follow a noun
    ("猫二匹"). A single hiragana that is known is a particle: it stands neither first nor after
    another one.
    """
    scripts = _scripts(unit)
    cuts = [i for i in range(len(unit) + 1) if _is_cut(unit, scripts, i)]
    longest = max(map(len, known), default=0)
    # of each kind of last piece, the cheapest way to a cut: known words cost little, so that few
    # long ones are chosen; each unknown stretch costs one more, so that a particle's character
    # inside an unknown word is not taken for one
    ways: dict[int, list[_Way]] = {0: [_Way(0.0, 0, True, True, None)]}
    for number, start in enumerate(cuts[:-1]):
        for way in ways.pop(start):
            following = cuts[number + 1]
            same = not way.is_known and scripts[way.end - 1] is scripts[start]
            cost = way.cost + (following - start) + (0 if same else 1)
            _keep(ways, _Way(cost, following, False, False, way))
            for end in cuts[number + 1 :]:
                if end - start > longest:
                    break
                particle = end - start == 1 and scripts[start] is Script.HIRAGANA
                if unit[start:end] in known and not (particle and way.is_particle):
                    cost = way.cost + (0.5 if particle else 0.25)
                    _keep(ways, _Way(cost, end, True, particle, way))
    best = min(ways[len(unit)], key=lambda way: way.cost)
    return _unknown(unit, scripts, best)


def _keep(ways: dict[int, list[_Way]], way: _Way) -> None:
    """Keep a way, unless a cheaper one of its kind leads to the same cut."""
    kind = (way.is_known, way.is_particle)
    here = ways.setdefault(way.end, [])
    alike = next((w for w in here if (w.is_known, w.is_particle) == kind), None)
    if alike is None or way.cost < alike.cost:
        ways[way.end] = [*(w for w in here if w is not alike), way]


def _scripts(unit: str) -> list[Script]:
    """The script of each character; a long vowel has that of the one before it."""
    found: list[Script] = []
    for character in unit:
        script = script_of(character)
        if character == "ー" and found:
            script = found[-1]
        found.append(script)
    return found


def _is_cut(unit: str, scripts: list[Script], at: int) -> bool:
    """Whether a word may end, and another begin."""
    if at in (0, len(unit)) or scripts[at - 1] is not scripts[at]:
        return True
    numeral = scripts[at] is Script.KANJI and unit[at] in _NUMERALS
    return scripts[at] is Script.HIRAGANA or numeral


def _unknown(unit: str, scripts: list[Script], way: _Way) -> list[str]:
    """The unknown stretches of a way, from left to right."""
    pieces: list[tuple[int, int, bool]] = []
    while way.before is not None:
        pieces.append((way.before.end, way.end, way.is_known))
        way = way.before
    joined: list[tuple[int, int, bool]] = []
    for start, end, is_known in reversed(pieces):
        if joined and not is_known and not joined[-1][2]:
            joined[-1] = (joined[-1][0], end, False)
        else:
            joined.append((start, end, is_known))
    return [_whole(unit, scripts, joined, i) for i, each in enumerate(joined) if not each[2]]


def _whole(
    unit: str, scripts: list[Script], pieces: list[tuple[int, int, bool]], index: int
) -> str:
    """An unknown stretch; one single hiragana is no word, so with the hiragana around it."""
    start, end, _ = pieces[index]
    if end - start > 1 or scripts[start] is not Script.HIRAGANA:
        return unit[start:end]

    def hiragana(piece: tuple[int, int, bool]) -> bool:
        first, last, _ = piece
        return last - first > 1 and set(scripts[first:last]) == {Script.HIRAGANA}

    if index and hiragana(pieces[index - 1]):
        start = pieces[index - 1][0]
    if index + 1 < len(pieces) and hiragana(pieces[index + 1]):
        end = pieces[index + 1][1]
    return unit[start:end]
