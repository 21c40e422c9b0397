"""How a scene is said in Japanese."""

import functools
import re

from kakusan.builtin.recipe.backdrops import Rng
from kakusan.builtin.recipe.phrases import (
    FRAMES_JA,
    FRAMES_OF_SENTENCE_JA,
    LOOKS_JA,
    MOODS_JA,
    TAGS_JA,
    one,
    some,
    usual,
)
from kakusan.builtin.recipe.relations import RELATION_NAMED
from kakusan.builtin.recipe.scenes import Item, Scene, in_the_sky
from kakusan.builtin.recipe.verbs import (
    AIRCRAFT,
    BOATS,
    DRINKS,
    LIVING,
    Deed,
    Verb,
    deed_of,
    verb_of,
)
from kakusan.builtin.recipe.world import (
    COLOURS,
    INDOORS,
    NORMAL,
    PLACES,
    SIZES,
    STYLES,
    SURFACES,
    THINGS,
    together,
)
from kakusan.text.stretches import Script, script_of
from kakusan.text.words import in_kana

KANJI = {1: "一", 2: "二", 3: "三", 4: "四"}
KANA = {1: "ひとつ", 2: "ふたつ", 3: "みっつ", 4: "よっつ"}
COUNTERS = {"animal": "匹", "person": "人", "vehicle": "台", "building": "軒", "plant": "本"}
OTHER_COUNTER = "個"
_COUNTED_AS = {  # besides
    "羽": frozenset(
        {
            *("bird", "owl", "chicken", "duck", "penguin", "eagle", "parrot", "swan", "flamingo"),
            *("peacock", "rooster", "turkey", "chick", "rabbit"),
        }
    ),
    "頭": frozenset(
        {
            *("horse", "elephant", "lion", "tiger", "cow", "bear", "giraffe", "zebra", "camel"),
            *(
                "rhinoceros",
                "hippopotamus",
                "whale",
                "dolphin",
                "panda",
                "gorilla",
                "deer",
                "dragon",
            ),
            *("butterfly", "unicorn", "sheep", "goat", "pig", "wolf"),
        }
    ),
    "隻": BOATS,
    "機": AIRCRAFT,
    "杯": DRINKS | {"ramen", "rice", "curry"},
    "輪": frozenset({"rose", "tulip", "sunflower", "daisy", "hibiscus"}),
    "本": frozenset(
        {"umbrella", "pencil", "banana", "carrot", "candle", "guitar", "key", "swords", "eggplant"}
    ),
    "冊": frozenset({"book"}),
    "つ": frozenset({"mountain", "tower", "volcano"}),
}
PLAIN_JA = (
    *("{c}の背景に{a}", "{a}、{c}の背景", "{c}背景の{a}", "背景が{c}の{a}", "{a}、背景は{c}"),
    *("{b}背景の{a}", "{a}、{b}背景", "{a}、{c}背景", "{c}を背景にした{a}", "{a}、{c}バック"),
    *("{c}バックの{a}", "背景は{c}、{a}", "{c}背景に{a}", "{b}背景に{a}"),
)
PLACE_JA = (
    *("{p}の{a}", "{p}の{a}", "{p}の{a}", "{p}、{a}", "{a}、{p}", "{p}に{a}", "{p}に{be}{a}"),
    *("{p}の中の{a}", "{p}の中に{be}{a}", "{p}の中で{a}", "{p}を背景にした{a}", "{p}で{a}"),
    *("{p}の上の{a}", "{p}に{a}が{be}", "{a}が{p}に{be}", "{a}が{be}{p}", "{p}と{a}"),
)
PLACE_OF_ONE_JA = ("{a}の{p}", "{a}がいる{p}", "{a}のいる{p}")  # of one object besides
COMPOUNDS = {  # what has a word for itself and its colour
    "red": ("赤鬼", "赤牛"),
    "blue": ("青鬼",),
    "black": ("黒猫", "黒犬", "黒馬", "黒牛", "黒豚", "黒羊", "黒龍", "黒竜", "黒熊"),
    "white": (
        *("白猫", "白犬", "白馬", "白兎", "白熊", "白蛇", "白狐", "白羊", "白鹿", "白狼", "白虎"),
        *("白龍", "白竜"),
    ),
}
# The same of a sentence that ends in a verb
PLAIN_OF_SENTENCE_JA = ("{a}、{c}の背景", "{a}、背景は{c}", "{b}背景で{a}", "{c}の背景、{a}")
PLACE_OF_SENTENCE_JA = ("{p}で{a}", "{p}で{a}", "{p}、{a}", "{a}、{p}", "{p}の中で{a}")
TIME_OF_SENTENCE_JA = ("{p}に{a}", "{p}に{a}", "{p}、{a}", "{a}、{p}")
TIMES = (
    "夜",
    "真夜中",
    "夜中",
    "月夜",
    "夕方",
    "夕暮れ",
    "日没",
    "日の出",
    "冬",
    "雨の日",
    "雪の日",
)
# How a place is said at a time or in a weather: as a place, and as what is seen there
PLACES_IN_JA = {
    "night": ("夜の{p}", "夜の{p}", "真夜中の{p}", "深夜の{p}", "月夜の{p}"),
    "sunset": (
        *("夕焼けの{p}", "夕暮れの{p}", "夕方の{p}", "夕日の{p}", "日没の{p}"),
        "夕焼けに染まる{p}",
    ),
    "snow": (
        *("雪の{p}", "雪の{p}", "冬の{p}", "雪の積もった{p}", "雪が積もった{p}", "雪が降る{p}"),
        *("雪の降る{p}", "雪に覆われた{p}"),
    ),
    "rain": ("雨の{p}", "雨の{p}", "雨が降る{p}", "雨の降る{p}", "雨の日の{p}", "嵐の{p}"),
}
SEEN_THERE_JA = {
    "night": ("{p}の夜", "{p}の夜景"),
    "sunset": ("{p}の夕焼け", "{p}に沈む夕日", "{p}の夕日"),
    "snow": ("{p}の雪景色", "{p}の雪"),
    "rain": ("{p}の雨",),
}
FALLING = ("雪", "吹雪", "雨", "大雨", "嵐", "土砂降り", "小雨")  # is all around
FLYING = Verb(("flying", "flies"), "を", ("飛ぶ", "飛んでいる"))
CALLED = ("ちゃん", "さん", "くん")  # behind the names of animals, as people who like them do
_KANA_ALONE = ({Script.HIRAGANA}, {Script.KATAKANA})
_TWICE = re.compile("([上中])の[上中](?=[のにでを])")  # of places that are above or in something
_LONG = re.compile("([てで])いる")
_OPEN = ("に", "で", "る", "す")  # how texts end that end in a verb or a particle


def japanese(scene: Scene, rng: Rng, *, whole: bool = False) -> str:
    """A scene in Japanese; `whole` says everything that there is to say, and nothing else."""
    if scene.items:
        text = _shown(scene, rng, whole)
    else:
        where = where_of(scene, rng, alone=True)
        text = where if rng.random() < 0.5 else f"{where}の背景"
    text = _styled(text, scene, rng)
    return text if whole else _dressed(text, rng)


def is_open(text: str) -> bool:
    """Whether a text ends in a verb or a particle, and not in a noun that ends like one."""
    return text.endswith(_OPEN) and not text.endswith(_nouns_that_seem_open())


@functools.cache
def _nouns_that_seem_open() -> tuple[str, ...]:
    names = (name for thing in THINGS for name in thing.japanese)
    both = (kana for name in names for kana in (name, in_other_kana(name)))
    return tuple(name for name in both if name.endswith(_OPEN))


def counters_of(thing: int) -> tuple[str, ...]:
    """What an object is counted in, the usual first; "つ" counts what does not live."""
    usually = COUNTERS.get(THINGS[thing].kind, OTHER_COUNTER)
    own = [counter for counter, names in _COUNTED_AS.items() if THINGS[thing].name in names]
    return (usually, *own) if THINGS[thing].kind == "animal" else (*own, usually)[:1]


def progressive(form: str) -> tuple[str, ...]:
    """A verb's "ている", and as people say and write it besides."""
    return (form, contracted(form), f"{form[:-1]}ます")


def contracted(form: str) -> str:
    """A verb's "ている" as it is said, "てる"; any other form as it is."""
    return _LONG.sub(r"\1る", form)


@functools.cache
def compounds(thing: int, colour: int) -> tuple[str, ...]:
    """One word for an object and its colour, such as 黒猫, where there is one."""
    words = COMPOUNDS.get(COLOURS[colour].name, ())
    return tuple(word for word in words if word[1:] in THINGS[thing].japanese)


@functools.cache
def in_other_kana(name: str) -> str:
    """A name of one kana in the other, as children and shops write it; as it is elsewhere."""
    other = next((kana for kana in in_kana(name) if kana != name), name)
    alone = {script_of(character) for character in name.replace("ー", "")} in _KANA_ALONE
    taken = any(other in thing.japanese for thing in THINGS)
    return name if taken or not alone or len(name) < 2 else other


def _name(item: Item, rng: Rng, whole: bool = True, *, one_of_several: bool = False) -> str:
    """An object; of several, sizes are said now and then too, as they are drawn alike."""
    name = usual(rng, THINGS[item.thing].japanese)
    if not whole and rng.random() < 0.06:
        name = in_other_kana(name)
    if not whole and THINGS[item.thing].kind == "animal" and rng.random() < 0.05:
        name += "" if name.endswith(CALLED) else one(rng, CALLED)
    if item.colour is not None:
        short = compounds(item.thing, item.colour)
        if short and rng.random() < 0.25:
            name = one(rng, short)
        else:
            name = usual(rng, COLOURS[item.colour].before) + name
    if item.word is not None:
        name = usual(rng, SIZES[item.word][2]) + name
    if whole or rng.random() > 0.1:
        return name
    if one_of_several and rng.random() < 0.4:
        return one(rng, one(rng, list(SIZES.values()))[2]) + name
    looks = THINGS[item.thing].kind in LIVING and rng.random() < 0.15
    return one(rng, LOOKS_JA if looks else MOODS_JA) + name


def _be(scene: Scene, rng: Rng) -> str:
    """What says that something is there: of what lives, and of what does not."""
    lives = THINGS[scene.items[0].thing].kind in LIVING
    return "いる" if lives or rng.random() < 0.3 else "ある"


def _number(scene: Scene, rng: Rng) -> str:
    """How many, with a counter."""
    count, thing = len(scene.items), scene.items[0].thing
    counter = usual(rng, counters_of(thing))
    if THINGS[thing].kind not in ("person", "animal") and rng.random() < 0.2:
        counter = "つ"
    kind = rng.random()
    if counter == "つ":
        return KANA[count] if kind < 0.3 else f"{KANJI[count] if kind < 0.7 else count}つ"
    return f"{KANJI[count] if kind < 0.5 else count}{counter}"


def _counted(scene: Scene, rng: Rng, whole: bool) -> str:
    name = _name(scene.items[0], rng, whole, one_of_several=True)
    forms = ("{n}の{a}", "{a}が{n}", "{a}{n}")
    if whole or len(scene.items) < 3 or rng.random() < 0.75:
        return one(rng, forms).format(n=_number(scene, rng), a=name)
    if len(scene.items) == 4:
        return one(rng, ("たくさんの{a}", "{a}がたくさん", "{a}がいっぱい")).format(a=name)
    counter = counters_of(scene.items[0].thing)[0]
    return f"いくつかの{name}" if counter == "つ" else f"数{counter}の{name}"


def _subject(scene: Scene, rng: Rng, whole: bool) -> str:
    """The objects, and how they stand to one another; a noun wherever that is short to say."""
    if scene.relation not in (None, "flying in"):
        return _related(scene, rng, whole)
    first, *others = scene.items
    if others:
        return _counted(scene, rng, whole)
    name = _name(first, rng, whole)
    return f"{_number(scene, rng)}の{name}" if not whole and rng.random() < 0.03 else name


def _related(scene: Scene, rng: Rng, whole: bool) -> str:
    items, relation = scene.items, str(scene.relation)
    names = [_name(item, rng, whole, one_of_several=True) for item in items]
    deed = None
    if not whole and len(items) == 2:
        deed = deed_of(relation, items[0].thing, items[1].thing, rng)
    if deed is not None:
        a, b = reversed(names) if deed.worn else names
        if rng.random() < 0.7:
            return f"{b}{deed.particle}{_before(deed, rng)}{a}"
        return f"{a}が{b}{deed.particle}{_ending(deed, rng)}"
    forms = RELATION_NAMED[relation].forms["japanese", len(items) == 3]
    form = one(rng, forms)
    if not whole and rng.random() < 0.4:
        form = contracted(form)
    return form.format(**dict(zip("abc", names, strict=False)))


def _ending(verb: Verb | Deed, rng: Rng) -> str:
    """A verb as it ends a sentence."""
    return usual(rng, progressive(verb.japanese[-1]))


def _before(verb: Verb | Deed, rng: Rng) -> str:
    """A verb as it stands before a noun."""
    form = one(rng, verb.japanese)
    return contracted(form) if rng.random() < 0.4 else form


def _verb(scene: Scene, rng: Rng, whole: bool) -> Verb | None:
    """What the objects do, now and then."""
    if scene.relation == "flying in":
        return FLYING
    if whole or scene.relation is not None or rng.random() > 0.35:
        return None
    return verb_of(scene.items[0].thing, scene.at, rng)


def _shown(scene: Scene, rng: Rng, whole: bool) -> str:
    """The objects, and where they are; now and then that is left to the model."""
    subject, verb = _subject(scene, rng, whole), _verb(scene, rng, whole)
    bare = rng.random() < 0.12 and not whole and (verb is not FLYING or in_the_sky(scene))
    if verb is not None:
        if scene.place is not None and not bare:
            return _acting(scene, rng, subject, verb)
        if bare and rng.random() < 0.4:
            return f"{subject}が{_ending(verb, rng)}"
        subject = _before(verb, rng) + subject
    if bare:
        return subject
    if scene.place is None:
        colour = COLOURS[scene.colour]
        before, noun = usual(rng, colour.before), usual(rng, colour.japanese)
        plain = PLAIN_OF_SENTENCE_JA if is_open(subject) else PLAIN_JA
        return one(rng, plain).format(a=subject, b=before, c=noun)
    where = where_of(scene, rng)
    if is_open(subject):
        forms = TIME_OF_SENTENCE_JA if where in TIMES else PLACE_OF_SENTENCE_JA
    elif len(scene.items) == 1 and rng.random() < 0.06:
        forms = PLACE_OF_ONE_JA
    else:
        forms = PLACE_JA
    form = _on_top(scene, one(rng, forms))
    return _TWICE.sub(r"\1", form.format(a=subject, p=where, be=_be(scene, rng)))


def _acting(scene: Scene, rng: Rng, subject: str, verb: Verb) -> str:
    """What the objects do, and where."""
    kind, where = rng.random(), where_of(scene, rng)
    if kind < 0.16:
        verbal = f"{_before(verb, rng)}{subject}"
        return f"{verbal}、{where}" if kind < 0.08 else f"{where}、{verbal}"
    joined = _joined(scene, rng, where, verb)
    if kind < 0.7:
        return f"{joined}{_before(verb, rng)}{subject}"
    ending = _ending(verb, rng)
    return f"{subject}が{joined}{ending}" if kind < 0.85 else f"{joined}{subject}が{ending}"


def _joined(scene: Scene, rng: Rng, where: str, verb: Verb) -> str:
    """A place and its particle: a time has its own, and what falls from the sky is all around."""
    if where in TIMES:
        return f"{where}に"
    inside = rng.random() < (0.8 if where in FALLING else 0.15)
    within = _on_top(scene, "の中") if inside else ""
    return _TWICE.sub(r"\1", f"{where}{within}{verb.particle}")


def where_of(scene: Scene, rng: Rng, *, alone: bool = False) -> str:
    """Where a scene is, as a noun.

    Args:
        alone: whether it stands alone, and so may be what is seen there.
    """
    if scene.place is None:
        return usual(rng, COLOURS[scene.colour].japanese)
    place = PLACES[scene.place]
    if scene.setting is not None:
        noun = usual(rng, together(PLACES[scene.setting].japanese))
        seen = alone and rng.random() < 0.3
        forms = SEEN_THERE_JA if seen else PLACES_IN_JA
        return one(rng, forms[place.name]).format(p=noun)
    where = usual(rng, place.japanese)
    if place.name in INDOORS and rng.random() < 0.06:
        return f"{one(rng, ('夜', '夕方'))}の{where}"
    return where


def _on_top(scene: Scene, text: str) -> str:
    """With what is inside of a place on it, where nothing can be inside."""
    on_top = scene.at is not None and PLACES[scene.at].name in SURFACES
    return text.replace("の中", "の上") if on_top else text


def _styled(text: str, scene: Scene, rng: Rng) -> str:
    if scene.style == NORMAL and rng.random() > 0.25:
        return text
    word, kind = one(rng, STYLES[scene.style][1]), rng.random()
    if kind < 0.4 and not is_open(text):
        return f"{text}の{word}"
    if kind < 0.6:
        return f"{word}の{text}"
    return f"{text}、{word}" if kind < 0.85 else f"{word}、{text}"


def _dressed(text: str, rng: Rng) -> str:
    """With what people write around it: praise of quality, a request, spaces for commas."""
    kind = rng.random()
    if kind < 0.12:
        tags = "、".join(some(rng, TAGS_JA, 4))
        text = f"{text}、{tags}" if kind < 0.09 else f"{tags}、{text}"
    elif kind < 0.22 and not text.endswith(("に", "で", "ます")):
        frames = FRAMES_OF_SENTENCE_JA if is_open(text) else FRAMES_JA
        text = one(rng, frames).format(x=text)
    if kind > 0.93:
        return text.replace("、", " " if kind < 0.97 else ", ")
    return f"{text}。" if kind > 0.91 else text
