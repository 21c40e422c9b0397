"""What objects do: verbs as people write them, which are drawn as a place or a relation, or not.

A verb of one object goes with where it is: what swims is in the sea. A deed of two objects goes
with how they stand to one another: what rides is on top. All others are harmless: the picture is
the same without them.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from kakusan.builtin.recipe.backdrops import Rng
from kakusan.builtin.recipe.phrases import one
from kakusan.builtin.recipe.world import PLACES, THINGS, Thing

LIVING = frozenset({"animal", "person"})
CARS = frozenset(
    {
        *("car", "bus", "taxi", "jeep", "race car", "police car", "ambulance", "fire engine"),
        *("truck", "motorcycle", "scooter", "bicycle", "tram", "train", "bullet train", "tractor"),
    }
)
BOATS = frozenset({"boat", "ship", "speedboat", "canoe"})
AIRCRAFT = frozenset({"airplane", "helicopter", "rocket", "UFO"})
LIGHTS = frozenset(
    {"sun", "moon", "star", "lightning", "rainbow", "light bulb", "candle", "lantern"}
)
DRINKS = frozenset({"tea", "coffee", "beer", "wine", "milk", "cocktail"})
STRINGS = frozenset({"guitar", "piano", "violin", "banjo"})  # in Japanese a piano is one of them
DRUMS = frozenset({"drum"})
HORNS = frozenset({"trumpet", "saxophone"})
INSTRUMENTS = STRINGS | DRUMS | HORNS
HATS = frozenset({"hat", "crown", "straw hat"})
WORN = HATS | {"glasses", "headphones"}
BALLS = frozenset(
    {"soccer ball", "basketball", "baseball", "tennis ball", "volleyball", "softball", "balloon"}
)
GROUNDS = frozenset(
    {
        *("sunset", "beach", "meadow", "forest", "snow", "desert", "city", "room", "rain", "night"),
        "lunar surface",
    }
)
SEATS = frozenset({"sofa", "chair"})
HELD = frozenset({"food", "plant", "tool", "sport"}) | WORN | INSTRUMENTS
ANYTHING = frozenset[str]()


@dataclass(frozen=True)
class Verb:
    """What one object does.

    `english` has the participle and the third person, `japanese` what stands before a noun, the
    last of it being the progressive form, which ends sentences too; `particle` joins a place to it.
    `who` holds kinds and names of objects, `places` names; none means any.
    """

    english: tuple[str, str]
    particle: Literal["を", "で", "に"]
    japanese: tuple[str, ...]
    who: frozenset[str] = LIVING
    places: frozenset[str] = ANYTHING


@dataclass(frozen=True)
class Deed:
    """What one object does with another; `relation` is how both are drawn.

    With `worn` it is the second that the relation speaks of first: a hat on who wears it.
    """

    relation: str
    english: tuple[str, str]
    particle: Literal["を", "で", "に", "と"]
    japanese: tuple[str, ...]
    who: frozenset[str]
    what: frozenset[str]
    worn: bool = False


VERBS = (
    Verb(("running", "runs"), "を", ("走る", "走っている"), LIVING, GROUNDS),
    Verb(("walking", "walks"), "を", ("歩く", "歩いている"), LIVING, GROUNDS),
    Verb(("jumping", "jumps"), "で", ("跳ねる", "ジャンプする", "ジャンプしている"), LIVING),
    Verb(("galloping", "gallops"), "を", ("駆ける", "駆けている"), frozenset({"horse", "unicorn"})),
    Verb(("sleeping", "sleeps"), "で", ("眠る", "寝る", "寝ている", "眠っている")),
    Verb(("napping", "takes a nap"), "で", ("昼寝する", "昼寝している")),
    Verb(("sitting", "sits"), "に", ("座る", "座った", "座っている")),
    Verb(("standing", "stands"), "に", ("立つ", "立った", "立っている"), LIVING | {"building"}),
    Verb(("playing", "plays"), "で", ("遊ぶ", "遊んでいる")),
    Verb(("dancing", "dances"), "で", ("踊る", "踊っている")),
    Verb(("singing", "sings"), "で", ("歌う", "歌っている")),
    Verb(("smiling", "smiles"), "で", ("微笑む", "笑う", "笑っている")),
    Verb(("laughing", "laughs"), "で", ("笑う", "笑っている")),
    Verb(("crying", "cries"), "で", ("泣く", "泣いている")),
    Verb(("eating", "eats"), "で", ("食べる", "食べている")),
    Verb(("resting", "rests"), "で", ("休む", "休んでいる")),
    Verb(("relaxing", "relaxes"), "で", ("くつろぐ", "くつろいでいる")),
    Verb(("waiting", "waits"), "で", ("待つ", "待っている")),
    Verb(("looking up", "looks up"), "で", ("見上げる", "見上げている")),
    Verb(("looking at you", "looks at you"), "で", ("見つめる", "こちらを見ている")),
    Verb(("hiding", "hides"), "に", ("隠れる", "隠れた", "隠れている")),
    Verb(("exploring", "explores"), "を", ("探検する", "冒険する", "探検している")),
    Verb(("traveling", "travels"), "を", ("旅する", "旅をする", "旅している")),
    Verb(("fighting", "fights"), "で", ("戦う", "戦っている")),
    Verb(("waving", "waves"), "で", ("手を振る", "手を振っている")),
    Verb(("posing", "poses"), "で", ("ポーズをとる", "ポーズをとっている")),
    Verb(("living", "lives"), "に", ("住む", "暮らす", "住んでいる")),
    Verb(("working", "works"), "で", ("働く", "働いている"), frozenset({"person"})),
    Verb(
        ("roaring", "roars"),
        "で",
        ("吠える", "吠えている"),
        frozenset({"lion", "tiger", "bear", "dragon", "dinosaur", "wolf", "dog", "gorilla"}),
    ),
    Verb(("swimming", "swims"), "を", ("泳ぐ", "泳いでいる"), LIVING, frozenset({"sea"})),
    Verb(("swimming", "swims"), "で", ("泳ぐ", "泳いでいる"), LIVING, frozenset({"sea"})),
    Verb(("diving", "dives"), "に", ("潜る", "潜っている"), LIVING, frozenset({"sea"})),
    Verb(
        ("surfing", "surfs"),
        "で",
        ("サーフィンする", "サーフィンしている"),
        LIVING,
        frozenset({"sea"}),
    ),
    Verb(
        ("floating", "floats"),
        "に",
        ("浮かぶ", "浮かんだ", "浮かんでいる"),
        ANYTHING,
        frozenset({"sea", "space", "sky"}),
    ),
    Verb(
        ("drifting", "drifts"),
        "を",
        ("漂う", "漂っている"),
        ANYTHING,
        frozenset({"sea", "space", "sky"}),
    ),
    Verb(
        ("sailing", "sails"),
        "を",
        ("進む", "行く", "進んでいる"),
        BOATS,
        frozenset({"sea", "sunset"}),
    ),
    Verb(("driving", "drives"), "を", ("走る", "走っている"), CARS, GROUNDS),
    Verb(("speeding", "speeds"), "を", ("疾走する", "走る", "疾走している"), CARS, GROUNDS),
    Verb(("parked", "is parked"), "に", ("停まる", "止まった", "止まっている"), CARS, GROUNDS),
    Verb(("landing", "lands"), "に", ("着陸する", "着陸している"), AIRCRAFT),
    Verb(("taking off", "takes off"), "で", ("飛び立つ", "離陸する", "離陸している"), AIRCRAFT),
    Verb(
        ("blooming", "blooms"),
        "に",
        ("咲く", "咲いた", "咲いている"),
        frozenset(
            {
                *("sunflower", "rose", "tulip", "cherry blossom", "hibiscus", "daisy"),
                *("cactus", "bouquet"),
            }
        ),
    ),
    Verb(("growing", "grows"), "に", ("生える", "生えた", "生えている"), frozenset({"plant"})),
    Verb(("shining", "shines"), "で", ("輝く", "光る", "光っている", "輝いている"), LIGHTS),
    Verb(("glowing", "glows"), "で", ("光る", "光っている"), LIGHTS),
    Verb(("rolling", "rolls"), "を", ("転がる", "転がっている"), BALLS | {"sport"}, GROUNDS),
    Verb(
        ("lying", "lies"),
        "に",
        ("置かれた", "置いてある", "落ちている"),
        frozenset({"food", "thing", "tool", "sport"}),
        GROUNDS | {"table"},
    ),
)

DEEDS = (
    Deed("beside", ("eating", "eats"), "を", ("食べる", "食べている"), LIVING, frozenset({"food"})),
    Deed("beside", ("drinking", "drinks"), "を", ("飲む", "飲んでいる"), LIVING, DRINKS),
    Deed("beside", ("reading", "reads"), "を", ("読む", "読んでいる"), LIVING, frozenset({"book"})),
    Deed("beside", ("playing", "plays"), "を", ("弾く", "演奏する", "弾いている"), LIVING, STRINGS),
    Deed("beside", ("playing", "plays"), "を", ("叩く", "叩いている"), LIVING, DRUMS),
    Deed("beside", ("playing", "plays"), "を", ("吹く", "吹いている"), LIVING, HORNS),
    Deed(
        "beside",
        ("watching", "watches"),
        "を",
        ("見る", "眺める", "見ている"),
        LIVING,
        frozenset(
            {"television", "moon", "star", "sun", "rainbow", "cloud", "cherry blossom", "fire"}
        ),
    ),
    Deed("beside", ("playing with", "plays with"), "で", ("遊ぶ", "遊んでいる"), LIVING, BALLS),
    Deed("beside", ("kicking", "kicks"), "を", ("蹴る", "蹴っている"), LIVING, BALLS),
    Deed(
        "beside",
        ("holding", "holds"),
        "を",
        ("持つ", "持った", "持っている"),
        LIVING,
        HELD | {"thing"},
    ),
    Deed("beside", ("carrying", "carries"), "を", ("運ぶ", "運んでいる"), LIVING, HELD | {"thing"}),
    Deed(
        "beside",
        ("holding", "holds"),
        "を",
        ("さす", "さした", "さしている"),
        LIVING,
        frozenset({"umbrella"}),
    ),
    Deed(
        "beside",
        ("chasing", "chases"),
        "を",
        ("追いかける", "追う", "追いかけている"),
        LIVING,
        LIVING | CARS,
    ),
    Deed("beside", ("fighting", "fights"), "と", ("戦う", "戦っている"), LIVING, LIVING),
    Deed(
        "beside",
        ("hugging", "hugs"),
        "を",
        ("抱く", "抱きしめる", "抱いている"),
        LIVING,
        LIVING | {"teddy bear"},
    ),
    Deed("beside", ("playing with", "plays with"), "と", ("遊ぶ", "遊んでいる"), LIVING, LIVING),
    Deed("beside", ("talking to", "talks to"), "と", ("話す", "話している"), LIVING, LIVING),
    Deed("beside", ("dancing with", "dances with"), "と", ("踊る", "踊っている"), LIVING, LIVING),
    Deed(
        "beside",
        ("looking at", "looks at"),
        "を",
        ("見る", "見つめる", "見ている"),
        LIVING,
        ANYTHING,
    ),
    Deed(
        "beside",
        ("attacking", "attacks"),
        "を",
        ("襲う", "攻撃する", "襲っている"),
        LIVING,
        LIVING | {"vehicle", "building"},
    ),
    Deed(
        "beside",
        ("howling at", "howls at"),
        "に",
        ("吠える", "吠えている"),
        frozenset({"wolf", "dog"}),
        frozenset({"moon"}),
    ),
    Deed(
        "beside",
        ("using", "uses"),
        "を",
        ("使う", "使っている"),
        LIVING,
        frozenset({"tool", "laptop", "smartphone", "telephone", "camera"}),
    ),
    Deed("riding", ("driving", "drives"), "を", ("運転する", "運転している"), LIVING, CARS),
    Deed("riding", ("flying", "flies"), "を", ("操縦する", "操縦している"), LIVING, AIRCRAFT),
    Deed("on", ("sleeping on", "sleeps on"), "で", ("寝る", "眠る", "寝ている"), LIVING, SEATS),
    Deed("on", ("sitting on", "sits on"), "に", ("座る", "座った", "座っている"), LIVING, SEATS),
    Deed(
        "on",
        ("climbing", "climbs"),
        "に",
        ("登る", "登った", "登っている"),
        LIVING,
        frozenset({"tree", "palm tree", "pine tree", "mountain", "tower", "building"}),
    ),
    Deed(
        "on",
        ("wearing", "wears"),
        "を",
        ("かぶる", "かぶった", "かぶっている"),
        LIVING,
        HATS,
        worn=True,
    ),
    Deed(
        "on",
        ("wearing", "wears"),
        "を",
        ("かける", "かけた", "かけている"),
        LIVING,
        frozenset({"glasses"}),
        worn=True,
    ),
    Deed(
        "on",
        ("wearing", "wears"),
        "を",
        ("つける", "つけた", "つけている"),
        LIVING,
        frozenset({"headphones"}),
        worn=True,
    ),
)


def spoken(things: Sequence[Thing]) -> list[Verb | Deed]:
    """All that some of these objects can do."""

    def some(among: frozenset[str]) -> bool:
        return any(_is(thing, among) for thing in things)

    verbs = [verb for verb in VERBS if some(verb.who)]
    return [*verbs, *(deed for deed in DEEDS if some(deed.who) and some(deed.what))]


def _is(thing: Thing, among: frozenset[str]) -> bool:
    return not among or thing.kind in among or thing.name in among


@functools.cache
def verbs_of(thing: int, place: int | None) -> tuple[Verb, ...]:
    """What an object may do in a place, or where none is."""
    where = None if place is None else PLACES[place].name
    return tuple(
        verb
        for verb in VERBS
        if _is(THINGS[thing], verb.who) and (not verb.places or where in verb.places)
    )


def verb_of(thing: int, place: int | None, rng: Rng) -> Verb | None:
    """One of them, rather one that is of the place; None where there is nothing to do."""
    verbs = verbs_of(thing, place)
    bound = [verb for verb in verbs if verb.places] if rng.random() < 0.7 else []
    chosen = bound or verbs
    return one(rng, chosen) if chosen else None


def deed_of(relation: str, a: int, b: int, rng: Rng) -> Deed | None:
    """What the objects of a relation do with one another, more often than not.

    Rather what is done with few other things: a book is read sooner than held.
    """
    deeds = deeds_of(relation, a, b)
    if not deeds or rng.random() > 0.6:
        return None
    narrowest = [deed for deed in deeds if _breadth(deed) == _breadth(deeds[0])]
    return one(rng, narrowest if rng.random() < 0.6 else deeds)


@functools.cache
def acts(things: int) -> tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...]:
    """Of each deed that some of the first `things` objects can do, its relation, and who and what.

    Those that the relation speaks of first come first.
    """
    found: list[tuple[str, tuple[int, ...], tuple[int, ...]]] = []
    for deed in DEEDS:
        who = tuple(i for i in range(things) if _is(THINGS[i], deed.who))
        what = tuple(i for i in range(things) if _is(THINGS[i], deed.what))
        if who and what:
            found.append((deed.relation, *((what, who) if deed.worn else (who, what))))
    return tuple(found)


@functools.cache
def _breadth(deed: Deed) -> int:
    """With how many things it can be done."""
    return sum(_is(thing, deed.what) for thing in THINGS)


@functools.lru_cache(100_000)
def deeds_of(relation: str, a: int, b: int) -> tuple[Deed, ...]:
    """What the objects of a relation may do with one another, what fits fewest things first."""

    def fits(deed: Deed) -> bool:
        who, what = (b, a) if deed.worn else (a, b)
        return _is(THINGS[who], deed.who) and _is(THINGS[what], deed.what)

    fitting = (deed for deed in DEEDS if deed.relation == relation and fits(deed))
    return tuple(sorted(fitting, key=_breadth))
