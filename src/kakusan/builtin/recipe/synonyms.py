"""Other words and phrases for what captions name: kinds of it, pet names, other spellings.

No caption has them. Prompts are read with the captions' word instead, and that is said: the model
need not learn a hundred breeds to draw a dog. The table's lines are what is read, and the others.
"""

import functools
from collections.abc import Iterator
from importlib.resources import files

from kakusan.builtin.recipe.nouns import plural
from kakusan.builtin.recipe.world import Thing
from kakusan.text import KnownWords

FILE = "synonyms.tsv"


def synonyms(things: tuple[Thing, ...], words: frozenset[str]) -> dict[str, str]:
    """Those of captions of some things, each with what is read instead; plurals too, in English.

    Args:
        things: that captions name.
        words: of these captions; what is one of them, or a thing's name, means itself.
    """
    known = KnownWords(words)
    names = {name.lower() for thing in things for name in (*thing.english, *thing.japanese)}
    counted = {name.lower() for thing in things if thing.counts for name in thing.english}
    found = {
        other: read
        for line_read, line_others in _table()
        if not known.strangers(line_read)
        for other, read in _in_both_numbers(line_read, line_others, counted)
    }
    return {other: read for other, read in found.items() if other not in words | names}


def _in_both_numbers(
    read: str, others: tuple[str, ...], counted: set[str]
) -> Iterator[tuple[str, str]]:
    yield from ((other, read) for other in others)
    described, _, last = read.rpartition(" ")
    if read in counted or last in counted:
        several = plural(read) if read in counted else f"{described} {plural(last)}"
        yield from ((plural(other), several) for other in others if plural(other) not in others)


@functools.cache
def _table() -> tuple[tuple[str, tuple[str, ...]], ...]:
    text = (files("kakusan.builtin.recipe") / FILE).read_text(encoding="utf-8")
    lines = (line.split("\t") for line in text.splitlines())
    return tuple((read, tuple(others.split("|"))) for read, others in lines)
