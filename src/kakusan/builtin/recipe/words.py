"""All words that captions can have, from the tables that they are made of."""

import re
from collections.abc import Iterator

from kakusan.builtin.recipe.english import (
    BEFORE_PLACES,
    NUMBERS,
    OWNERS,
    PLAIN,
    PLAIN_FIRST,
    TIMES,
    WITH_PLACES,
)
from kakusan.builtin.recipe.japanese import (
    CALLED,
    FLYING,
    KANA,
    KANJI,
    compounds,
    contracted,
    counters_of,
    in_other_kana,
    progressive,
)
from kakusan.builtin.recipe.nouns import plural
from kakusan.builtin.recipe.phrases import (
    FRAMES,
    LOOKS,
    LOOKS_JA,
    MOODS,
    MOODS_JA,
    TAGS,
    TAGS_JA,
)
from kakusan.builtin.recipe.synonyms import synonyms
from kakusan.builtin.recipe.verbs import spoken
from kakusan.builtin.recipe.world import COLOURS, PLACES, RELATIONS, SIZES, STYLES, THINGS, Thing
from kakusan.text import KnownWords
from kakusan.text.stretches import units

_HOLE = re.compile(r"\{\w?\}")
# The words of the Japanese forms, which have no spaces between them
_OF_FORMS_JA = (
    *("の", "に", "と", "が", "で", "は", "を", "も", "な"),
    *("いる", "ある", "した", "そば", "乗る", "乗った", "乗っている", "座る", "座っている"),
    *("左", "右", "上", "下", "上方", "上空", "真上", "真下", "中", "隣", "横", "近く", "前", "間"),
    *(
        "一緒",
        "並んでいる",
        "並んでる",
        "乗ってる",
        "座ってる",
        "左側",
        "右側",
        "背景",
        "バック",
        "たくさん",
        "いっぱい",
        "いくつか",
    ),
    *("描いて", "ください", "見せて", "見たい", "お願いします", "作って", "生成", "して", "ほしい"),
    *("欲しい", "です", "風景", "ところ", "様子", "シーン"),
)


def known_words(things: int = len(THINGS)) -> KnownWords:
    """The words of all captions of the first so many objects, but those of no meaning."""
    named = THINGS[:things]
    words = frozenset({*_english(named), *_japanese(named)})
    return KnownWords(words, synonyms(named, words))


def _english(things: tuple[Thing, ...]) -> Iterator[str]:
    texts = ["a", "an", "the", "of", "background", "is", "are", "that", "who", *OWNERS]
    texts += [name for thing in things for name in thing.english]
    texts += [plural(name) for thing in things if thing.counts for name in thing.english]
    texts += [number for numbers in NUMBERS.values() for number in numbers]
    texts += [name for colour in COLOURS for name in colour.english]
    texts += [name for place in PLACES for name in (*place.clauses, *place.tags)]
    texts += [name for _, names, _ in SIZES.values() for name in names]
    texts += [name for names, _ in STYLES for name in names]
    texts += [form for relation in RELATIONS for form in relation.english]
    texts += [form for doing in spoken(things) for form in doing.english]
    both = (BEFORE_PLACES, WITH_PLACES)
    texts += [*TIMES, *(text for table in both for forms in table.values() for text in forms)]
    texts += [*PLAIN, *PLAIN_FIRST, *MOODS, *LOOKS, *TAGS, *FRAMES]
    for unit in units(_HOLE.sub(" ", " ".join(texts)).lower()):
        yield unit
        yield from (part for part in unit.split("-") if not part.isdecimal())


def _japanese(things: tuple[Thing, ...]) -> Iterator[str]:
    for name in (name.lower() for thing in things for name in thing.japanese):
        yield from (name, in_other_kana(name))
    for thing in range(len(things)):
        yield from (word for colour in range(len(COLOURS)) for word in compounds(thing, colour))
    counters = {counter for thing in range(len(things)) for counter in counters_of(thing)}
    yield from (f"数{counter}" for counter in counters - {"つ"})
    for number in KANJI:
        yield KANA[number]
        for counter in (*counters, "つ"):
            yield from (f"{KANJI[number]}{counter}", f"{number}{counter}")
    for colour in COLOURS:
        yield from (*colour.japanese, *colour.before)
        yield from (f"{name}背景" for name in (*colour.japanese, *colour.before))
        yield from (f"{name}バック" for name in colour.japanese)
    yield from (name for place in PLACES for name in place.japanese)
    yield from ("深夜", "沈む", "染まる", "積もった", "降る", "覆われた")  # of places at a time
    yield from (name for _, _, names in SIZES.values() for name in names)
    yield from (name for _, names in STYLES for name in names)
    for doing in (FLYING, *spoken(things)):
        yield from (*doing.japanese, *progressive(doing.japanese[-1]))
        yield from (contracted(form) for form in doing.japanese)
    yield from (tag.lower() for tag in TAGS_JA)
    yield from (*MOODS_JA, *LOOKS_JA, *_OF_FORMS_JA, *CALLED)
