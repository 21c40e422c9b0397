"""The articles and plurals of English nouns."""

import functools

from kakusan.builtin.recipe.world import PLURALS

IRREGULAR = {
    "man": "men",
    "woman": "women",
    "child": "children",
    "mouse": "mice",
    "die": "dice",
    "wolf": "wolves",
    "loaf": "loaves",
    "leaf": "leaves",
    "tomato": "tomatoes",
    "potato": "potatoes",
    "volcano": "volcanoes",
    "hero": "heroes",
    "elf": "elves",
    "superhero": "superheroes",
}
UNCHANGED = ("fish", "sheep", "deer", "squid", "shrimp", "craft")
_MEN = ("policeman", "policewoman", "fireman", "spaceman", "snowman", "gentleman")


def article(words: str) -> str:
    """ "a" or "an", whichever goes before these words."""
    consonants = ("uni", "UFO", "one")
    return "an" if words[0].casefold() in "aeiou8" and not words.startswith(consonants) else "a"


@functools.cache
def plural(name: str) -> str:
    """More than one of a countable name."""
    if name in PLURALS or name.endswith(UNCHANGED):
        return name
    if " of " in name:
        head, _, tail = name.partition(" of ")
        return f"{plural(head)} of {tail}"
    first, _, last = name.rpartition(" ")
    if last in IRREGULAR:
        return f"{first} {IRREGULAR[last]}".strip()
    if last in _MEN:
        return name[:-2] + "en"
    if name.endswith("wolf"):
        return name[:-1] + "ves"
    if name.endswith(("s", "sh", "ch", "x")):
        return name + "es"
    if name.endswith("y") and name[-2] not in "aeiou":
        return name[:-1] + "ies"
    return name + "s"
