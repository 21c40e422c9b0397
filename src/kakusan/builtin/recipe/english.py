"""How a scene is said in English."""

import re
from collections.abc import Sequence

from kakusan.builtin.recipe.backdrops import Rng
from kakusan.builtin.recipe.nouns import article, plural
from kakusan.builtin.recipe.phrases import FRAMES, LOOKS, MOODS, TAGS, one, some, usual
from kakusan.builtin.recipe.relations import RELATION_NAMED
from kakusan.builtin.recipe.scenes import Item, Scene, in_the_sky
from kakusan.builtin.recipe.verbs import LIVING, deed_of, verb_of
from kakusan.builtin.recipe.world import (
    COLOURS,
    INDOORS,
    NORMAL,
    PLACES,
    PLURALS,
    SIZES,
    STYLES,
    THINGS,
    UNCOUNTED,
    together,
)

NUMBERS = {
    1: ("one", "1", "a single"),
    2: ("two", "2", "a pair of", "a couple of"),
    3: ("three", "3", "some", "several", "a few", "a group of"),
    4: ("four", "4", "many", "lots of", "a bunch of", "a group of"),
}
EXACT = 2  # so many of these say exactly how many
UNCOUNTED_NUMBER = 3  # how many there are of what stands in the plural, and is not counted
OWNERS = ("my", "your", "his", "her", "our", "their")
PLAIN = (
    *("{a} on {c} background", "{a}, {c} background", "{a} against {c} background", "{a} on {c}"),
    *("{a} with {c} background", "{a} in front of {c} wall", "{a} on a plain {c} background"),
    *("{a} isolated on {c}", "{a}, plain {c} background", "{a}, simple {c} background"),
    *("{a} on {c} backdrop", "{a}, {c} backdrop", "{a}, {c}"),
)
BARE = re.compile("(plain|simple) {c}|(,| on) {c}$")  # where no article stands
PLAIN_FIRST = ("{c} background with {a}", "{c} background, {a}", "on {c} background, {a}")
# How a place is said at a time or in a weather: before its noun, and in one phrase with it
BEFORE_PLACES = {
    "night": ("night", "moonlit", "dark", "starlit"),
    "sunset": ("sunset", "golden"),
    "snow": ("snowy", "snow-covered", "snow covered", "winter", "frozen"),
    "rain": ("rainy", "stormy"),
}
WITH_PLACES = {
    "night": ("{p} at night", "night over the {p}", "{p} by night"),
    "sunset": ("sunset over the {p}", "{p} at sunset", "{p} at dusk", "{p} at dawn"),
    "snow": ("{p} in the snow", "{p} in winter", "snow in the {p}", "{p} covered in snow"),
    "rain": ("{p} in the rain", "rain over the {p}", "{p} on a rainy day"),
}
_ON = (
    "street",
    "road",
    "beach",
    "shore",
    "coast",
    "sea",
    "ocean",
    "lake",
    "river",
)  # ends of nouns
TIMES = ("at night", "in the evening", "at midnight")  # of rooms too, which look as always
ARTS = {  # styles that no article stands before
    *("pixel art", "pixelart", "line art", "lineart", "digital art", "concept art", "fantasy art"),
    *("clip art", "artwork", "anime"),
}


def english(scene: Scene, rng: Rng, *, whole: bool = False) -> str:
    """A scene in English: a sentence, a comma list, or something between.

    `whole` says everything that there is to say, and nothing else.
    """
    subject = _subject(scene, rng, whole) if scene.items else ""
    text = _styled(_somewhere(scene, rng, subject, whole), scene, rng)
    return text if whole else _dressed(text, rng)


def _described(item: Item, rng: Rng, name: str, mood: str = "") -> str:
    words = [name]
    if item.colour is not None:
        words.insert(0, usual(rng, COLOURS[item.colour].english))
    if item.word is not None:
        words.insert(0, usual(rng, SIZES[item.word][1]))
    return " ".join([mood, *words] if mood else words)


def _noun(item: Item, rng: Rng, mood: str = "") -> str:
    """An object with its article, which a few leave out."""
    name = usual(rng, THINGS[item.thing].english)
    phrase = _described(item, rng, name, mood)
    bare = 0.7 if name in UNCOUNTED else 0.15
    if rng.random() < bare or (name[0].isupper() and " " in name) or name in PLURALS:
        return phrase
    kind = rng.random()
    before = "the" if kind < 0.05 else one(rng, OWNERS) if kind < 0.07 else article(phrase)
    return f"{before} {phrase}"


def _mood(rng: Rng, whole: bool, *, one_of_several: bool = False) -> str:
    """What is said of an object besides; of several, sizes too, as they are drawn alike."""
    if whole or rng.random() > 0.1:
        return ""
    if one_of_several and rng.random() < 0.4:
        return one(rng, one(rng, list(SIZES.values()))[1])
    return one(rng, MOODS)


def _subject(scene: Scene, rng: Rng, whole: bool) -> str:
    items = scene.items
    if scene.relation is not None:
        return _related(scene, rng, whole)
    if len(items) == 1:
        return _single(scene, rng, whole)
    numbers = NUMBERS[len(items)]
    number = one(rng, numbers[:EXACT] if whole or rng.random() < 0.7 else numbers)
    name = usual(rng, THINGS[items[0].thing].english)
    seen = plural(name) != name  # a plural is told from one
    name = plural(name)
    counted = _described(items[0], rng, name, _mood(rng, whole, one_of_several=True))
    bare = not whole and seen and len(items) == UNCOUNTED_NUMBER and rng.random() < 0.4
    counted = counted if bare else f"{number} {counted}"
    verb = "" if whole else _doing(scene, rng, ("{}", "are {}", "that are {}"))
    return f"{counted} {verb}" if verb else counted


def _single(scene: Scene, rng: Rng, whole: bool) -> str:
    item = scene.items[0]
    if whole:
        return _noun(item, rng)
    if rng.random() < 0.03:
        return _one_of(item, rng)
    is_person = THINGS[item.thing].kind == "person"
    forms = ("{}", "{}", "is {}", "who is {}" if is_person else "that is {}")
    verb = _doing(scene, rng, forms, third=True)
    if verb and " " not in verb and not verb.endswith("s") and rng.random() < 0.2:
        return _noun(item, rng, verb)  # a sleeping cat
    noun = _noun(item, rng, _mood(rng, whole))
    if THINGS[item.thing].kind in LIVING and rng.random() < 0.05:
        noun = f"{noun} {one(rng, LOOKS)}"
    return f"{noun} {verb}" if verb else noun


def _one_of(item: Item, rng: Rng) -> str:
    """A single object, counted."""
    thing = THINGS[item.thing]
    name = one(rng, [name for name in thing.english if name not in PLURALS] or thing.english)
    described = _described(item, rng, name)
    if thing.kind == "person" and rng.random() < 0.5:
        return f"1{described}"  # as sites for drawings tag them: 1girl
    return f"{one(rng, NUMBERS[1])} {described}"


def _doing(scene: Scene, rng: Rng, forms: Sequence[str], *, third: bool = False) -> str:
    """What the objects do, now and then; in the third person too, where it is one."""
    if rng.random() > 0.3:
        return ""
    verb = verb_of(scene.items[0].thing, scene.at, rng)
    if verb is None:
        return ""
    participle, person = verb.english
    return person if third and rng.random() < 0.1 else one(rng, forms).format(participle)


def _related(scene: Scene, rng: Rng, whole: bool) -> str:
    """The objects of a scene in one of the forms that their relation is said in."""
    items, relation = scene.items, str(scene.relation)
    if relation == "flying in" and rng.random() < 0.3:
        return _noun(items[0], rng, "flying")
    several = len(items) > 1
    nouns = [_noun(item, rng, _mood(rng, whole, one_of_several=several)) for item in items]
    if not whole and relation == "beside" and len(items) == 2 and rng.random() < 0.16:
        nouns[1] = _some(items[1], rng) or nouns[1]
        if rng.random() < 0.4:  # dogs and cats
            nouns[0] = _some(items[0], rng) or nouns[0]
    deed = None
    if not whole and len(items) == 2:
        deed = deed_of(relation, items[0].thing, items[1].thing, rng)
    if deed is not None:
        a, b = reversed(nouns) if deed.worn else nouns
        participle, person = deed.english
        return f"{a} {one(rng, (participle, participle, f'is {participle}', person))} {b}"
    forms = RELATION_NAMED[relation].forms["english", len(items) == 3]
    return one(rng, forms).format(**dict(zip("abc", nouns, strict=False)))


def _some(item: Item, rng: Rng) -> str:
    """An object in the plural, as of a cake with candles; empty where it has none."""
    if not THINGS[item.thing].counts:
        return ""
    return _described(item, rng, plural(usual(rng, THINGS[item.thing].english)))


def _somewhere(scene: Scene, rng: Rng, subject: str, whole: bool) -> str:
    """The objects, and where they are; now and then that is left to the model."""
    kind = rng.random()
    if not subject:
        where = _where(scene, rng, whole)
        return where if scene.place is not None or kind < 0.5 else f"{where} background"
    if kind < 0.12 and not whole and (scene.relation != "flying in" or in_the_sky(scene)):
        return subject
    if scene.place is None:
        forms = PLAIN_FIRST if kind < 0.24 else PLAIN
        colour = usual(rng, COLOURS[scene.colour].english)
        form = one(rng, forms)
        bare = kind < 0.34 or BARE.search(form) is not None
        return form.format(a=subject, c=colour if bare else f"{article(colour)} {colour}")
    if scene.relation == "flying in" or kind >= 0.44:
        return f"{subject} {clause_of(scene, rng, whole=whole)}"
    where = _where(scene, rng, whole)
    return f"{subject}, {where}" if kind < 0.32 else f"{where}, {subject}"


def clause_of(scene: Scene, rng: Rng, *, whole: bool = False) -> str:
    """Where a scene in some place is, as it follows what is there."""
    assert scene.place is not None
    place = PLACES[scene.place]
    if scene.setting is None:
        clause = one(rng, place.clauses)
        if whole or place.name not in INDOORS or rng.random() > 0.1:
            return clause
        return f"{clause} {one(rng, TIMES)}"
    setting, kind = PLACES[scene.setting], rng.random()
    if kind < 0.2 and not whole:
        noun = f"{one(rng, BEFORE_PLACES[place.name])} {one(rng, together(setting.tags))}"
        return f"{'on' if noun.endswith(_ON) else 'in'} {one(rng, (article(noun), 'the'))} {noun}"
    first, second = one(rng, together(setting.clauses)), one(rng, together(place.clauses))
    return f"{first} {second}" if kind < 0.8 else f"{second} {first}"


def _where(scene: Scene, rng: Rng, whole: bool) -> str:
    if scene.place is None:
        return usual(rng, COLOURS[scene.colour].english)
    place = PLACES[scene.place]
    if scene.setting is None:
        return usual(rng, place.tags)
    noun, kind = usual(rng, together(PLACES[scene.setting].tags)), rng.random()
    if kind < 0.4 and not whole:
        return f"{one(rng, BEFORE_PLACES[place.name])} {noun}"
    if kind < 0.8 and not whole:
        return one(rng, WITH_PLACES[place.name]).format(p=noun)
    return f"{noun}, {usual(rng, together(place.tags))}"


def _styled(text: str, scene: Scene, rng: Rng) -> str:
    if scene.style == NORMAL and rng.random() > 0.3:
        return text
    word = one(rng, STYLES[scene.style][0])
    if word == "emoji" or rng.random() < (0.35 if scene.style == NORMAL else 0.6):
        return f"{text}, {word}" if rng.random() < 0.7 else f"{word}, {text}"
    return f"{word if word in ARTS else f'{article(word)} {word}'} of {text}"


def _dressed(text: str, rng: Rng) -> str:
    """With what people write around it: praise of quality, a request, a full stop."""
    kind = rng.random()
    if kind < 0.12:
        tags = ", ".join(some(rng, TAGS, 5))
        text = f"{text}, {tags}" if kind < 0.09 else f"{tags}, {text}"
    elif kind < 0.2:
        text = one(rng, FRAMES).format(x=text)
    if kind > 0.93:
        text = text.replace(", ", ",") if kind < 0.96 else f"{text}{'.' if kind < 0.99 else '!'}"
    return text
