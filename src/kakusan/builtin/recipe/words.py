"""All words that captions can have, from the tables that they are made of."""

import re
from collections.abc import Iterable, Iterator

from kakusan.builtin.recipe.captions import (
    COUNTERS,
    KANJI,
    NUMBERS,
    OTHER_COUNTER,
    PLAIN,
    PLAIN_FIRST,
    plural,
)
from kakusan.builtin.recipe.world import COLOURS, PLACES, RELATIONS, SIZES, STYLES, THINGS, Thing
from kakusan.text import KnownWords
from kakusan.text.stretches import units

_HOLE = re.compile(r"\{\w\}")
# The words of the Japanese forms, which have no spaces between them
JAPANESE = (
    *("の", "に", "と", "が", "で", "は", "を"),
    *("いる", "ある", "した", "そば", "乗る", "乗った", "乗っている", "座る", "飛ぶ", "飛んでいる"),
    *("左", "右", "上", "下", "上方", "真上", "真下", "中", "隣", "横", "間", "背景"),
)


def known_words(things: int = len(THINGS)) -> KnownWords:
    """The words of all captions of the first so many objects."""
    named = THINGS[:things]
    return KnownWords(frozenset({*_english(named), *_japanese(named)}))


def _english(things: Iterable[Thing]) -> Iterator[str]:
    texts = ["a", "an", "the", "of", "background"]
    texts += [name for thing in things for name in thing.english]
    texts += [plural(name) for thing in things if thing.counts for name in thing.english]
    texts += [number for numbers in NUMBERS.values() for number in numbers]
    texts += [name for colour in COLOURS for name in colour.english]
    texts += [name for place in PLACES for name in (*place.clauses, *place.tags)]
    texts += [name for _, names, _ in SIZES.values() for name in names]
    texts += [name for names, _ in STYLES for name in names]
    texts += [form for relation in RELATIONS for form in relation.english]
    texts += [*PLAIN, *PLAIN_FIRST]
    for unit in units(_HOLE.sub(" ", " ".join(texts)).lower()):
        yield unit
        yield from (part for part in unit.split("-") if not part.isdecimal())


def _japanese(things: Iterable[Thing]) -> Iterator[str]:
    yield from (name.lower() for thing in things for name in thing.japanese)
    counters = {COUNTERS.get(thing.kind, OTHER_COUNTER) for thing in things if thing.counts}
    for number in NUMBERS:
        yield from (f"{KANJI[number]}{counter}" for counter in (*counters, "つ"))
        yield from (f"{number}{counter}" for counter in counters)
    for colour in COLOURS:
        yield from (colour.japanese, colour.before, f"{colour.japanese}背景")
    yield from (name for place in PLACES for name in place.japanese)
    yield from (name for _, _, names in SIZES.values() for name in names)
    yield from (name for _, names in STYLES for name in names)
    yield from JAPANESE
