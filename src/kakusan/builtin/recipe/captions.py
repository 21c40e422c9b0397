"""The grammar that captions a scene as people write prompts, in English and in Japanese."""

from collections.abc import Callable, Sequence

from kakusan.builtin.recipe.backdrops import Rng
from kakusan.builtin.recipe.scenes import Item, Scene
from kakusan.builtin.recipe.world import COLOURS, NORMAL, PLACES, RELATIONS, SIZES, STYLES, THINGS

NUMBERS = {2: ("two", "2"), 3: ("three", "3"), 4: ("four", "4")}
KANJI = {1: "一", 2: "二", 3: "三", 4: "四"}
IRREGULAR = {
    "mouse": "mice",
    "wolf": "wolves",
    "die": "dice",
    "policeman": "policemen",
    "old man": "old men",
    "old woman": "old women",
    "loaf": "loaves",
}
_RELATIONS = {relation.name: relation for relation in RELATIONS}
COUNTERS = {"animal": "匹", "person": "人", "vehicle": "台", "building": "軒", "plant": "本"}
OTHER_COUNTER = "個"
PLAIN = (
    "{a} on {c} background",
    "{a}, {c} background",
    "{a} against {c} background",
    "{a} on {c}",
    "{a} with {c} background",
    "{a} in front of {c} wall",
)
PLAIN_FIRST = ("{c} background with {a}", "{c} background, {a}")
PLAIN_JA = (
    "{c}の背景に{a}",
    "{a}、{c}の背景",
    "{c}背景の{a}",
    "背景が{c}の{a}",
    "{a}、背景は{c}",
    "{b}背景の{a}",
    "{a}、{b}背景",
)
PLACE_JA = (
    "{p}の{a}",
    "{p}にいる{a}",
    "{p}、{a}",
    "{a}、{p}",
    "{p}を背景にした{a}",
    "{p}で{a}",
    "{p}の中の{a}",
    "{p}の中にいる{a}",
)


def caption(scene: Scene, rng: Rng) -> str:
    """One of many ways to say what a scene shows; now and then without where it is."""
    return japanese(scene, rng) if rng.random() < 0.4 else english(scene, rng)


def _one(rng: Rng, words: Sequence[str]) -> str:
    return str(words[int(rng.integers(len(words)))])


def _usual(rng: Rng, words: Sequence[str]) -> str:
    """A name: the usual one most of the time."""
    return words[0] if rng.random() < 0.6 else _one(rng, words)


def article(words: str) -> str:
    """ "a" or "an", whichever goes before these words."""
    return "an" if words[0].casefold() in "aeiou8" and not words.startswith(("uni", "UFO")) else "a"


def plural(name: str) -> str:
    """More than one of a countable name."""
    if name in IRREGULAR:
        return IRREGULAR[name]
    if " of " in name:
        head, _, tail = name.partition(" of ")
        return f"{plural(head)} of {tail}"
    if name.endswith(("s", "sh", "ch", "x")):
        return name + "es"
    if name.endswith("y") and name[-2] not in "aeiou":
        return name[:-1] + "ies"
    return name + "s"


def _described(item: Item, rng: Rng, name: str) -> str:
    words = [name]
    if item.colour is not None:
        words.insert(0, _usual(rng, COLOURS[item.colour].english))
    if item.word is not None:
        words.insert(0, _usual(rng, SIZES[item.word][1]))
    return " ".join(words)


def _noun(item: Item, rng: Rng) -> str:
    """An object with its article, which a few leave out."""
    name = _usual(rng, THINGS[item.thing].english)
    phrase = _described(item, rng, name)
    if rng.random() < 0.15 or (name[0].isupper() and " " in name) or name.endswith("s"):
        return phrase
    return f"{'the' if rng.random() < 0.05 else article(phrase)} {phrase}"


def _related(scene: Scene, rng: Rng, forms: Sequence[str], noun: Callable[[Item, Rng], str]) -> str:
    """The objects of a scene in one of the forms that their relation is said in."""
    nouns = dict(zip("abc", (noun(item, rng) for item in scene.items), strict=False))
    return _one(rng, forms).format(**nouns)


def _subject(scene: Scene, rng: Rng) -> str:
    items = scene.items
    if scene.relation is not None:
        return _related(scene, rng, _RELATIONS[scene.relation].english, _noun)
    if len(items) == 1:
        return _noun(items[0], rng)
    name = plural(_usual(rng, THINGS[items[0].thing].english))
    return f"{_one(rng, NUMBERS[len(items)])} {_described(items[0], rng, name)}"


def _colour(scene: Scene, rng: Rng) -> tuple[str, str]:
    colour = _usual(rng, COLOURS[scene.colour].english)
    return colour, f"{article(colour)} {colour}"


def english(scene: Scene, rng: Rng, *, whole: bool = False) -> str:
    """A scene in English: a sentence, a comma list, or something between.

    `whole` says everything that there is to say, without slips of the pen.
    """
    where = _where(scene, rng)
    subject = _subject(scene, rng) if scene.items else ""
    kind = rng.random()
    if not subject:
        text = where if scene.place is not None else _one(rng, (where, f"{where} background"))
    elif kind < 0.08 and not whole:
        text = subject  # the place is left to the model
    elif scene.place is None:
        colour, with_article = _colour(scene, rng)
        forms = PLAIN_FIRST if kind < 0.2 else PLAIN
        text = _one(rng, forms).format(a=subject, c=with_article if kind > 0.3 else colour)
    elif scene.relation == "flying in" or kind >= 0.42:
        text = f"{subject} {_one(rng, PLACES[scene.place].clauses)}"
    else:
        text = f"{subject}, {where}" if kind < 0.3 else f"{where}, {subject}"
    text = _styled(text, scene, rng)
    return text if whole else _written(text, rng)


def _where(scene: Scene, rng: Rng) -> str:
    if scene.place is None:
        return _colour(scene, rng)[0]
    return _usual(rng, PLACES[scene.place].tags)


def _styled(text: str, scene: Scene, rng: Rng) -> str:
    word = _one(rng, STYLES[scene.style][0])
    if scene.style == NORMAL and rng.random() > 0.3:
        return text
    if scene.style == NORMAL or rng.random() < 0.4:
        return f"{word if word == 'pixel art' else f'{article(word)} {word}'} of {text}"
    return f"{text}, {word}" if rng.random() < 0.8 else f"{word}, {text}"


def _written(text: str, rng: Rng) -> str:
    """As people type: a slip now and then, spaces that are missing or too many."""
    if rng.random() < 0.04 and len(text) > 8:
        i = int(rng.integers(1, len(text) - 2))
        slips = (text[:i] + text[i + 1 :], text[:i] + text[i + 1] + text[i] + text[i + 2 :])
        text = slips[int(rng.integers(2))]
    if rng.random() < 0.05:
        text = text.replace(", ", ",")
    return text + "." if rng.random() < 0.05 else text


def _name_ja(item: Item, rng: Rng) -> str:
    name = _usual(rng, THINGS[item.thing].japanese)
    if item.colour is not None:
        name = COLOURS[item.colour].before + name
    if item.word is not None:
        name = _usual(rng, SIZES[item.word][2]) + name
    return name


def _subject_ja(scene: Scene, rng: Rng) -> str:
    items = scene.items
    if scene.relation is not None:
        return _related(scene, rng, _RELATIONS[scene.relation].japanese, _name_ja)
    name = _name_ja(items[0], rng)
    if len(items) == 1:
        return name
    kind = THINGS[items[0].thing].kind
    counter = COUNTERS.get(kind, OTHER_COUNTER) if rng.random() < 0.8 else "つ"
    number = KANJI[len(items)] if rng.random() < 0.5 or counter == "つ" else str(len(items))
    return _one(rng, ("{n}{c}の{a}", "{a}が{n}{c}", "{a}{n}{c}")).format(
        n=number, c=counter, a=name
    )


def japanese(scene: Scene, rng: Rng, *, whole: bool = False) -> str:
    """A scene in Japanese; `whole` says everything that there is to say."""
    if scene.place is None:
        where = COLOURS[scene.colour].japanese
        before = COLOURS[scene.colour].before
        forms = PLAIN_JA
    else:
        where = before = _usual(rng, PLACES[scene.place].japanese)
        forms = PLACE_JA
    if not scene.items:
        text = where if rng.random() < 0.5 else f"{where}の背景"
    else:
        subject = _subject_ja(scene, rng)
        bare = rng.random() < 0.08 and not whole
        text = subject if bare else _one(rng, forms).format(a=subject, b=before, c=where, p=where)
    word = _one(rng, STYLES[scene.style][1])
    if scene.style == NORMAL and rng.random() > 0.25:
        return text
    if rng.random() < 0.5 and text[-1] not in "にる":
        return f"{text}の{word}"
    return f"{text}、{word}"
