"""What a training picture shows, drawn at random within what may be learnt."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from kakusan.builtin.recipe.backdrops import Rng
from kakusan.builtin.recipe.poses import CELLS, MIDDLE, Chances, in_cell, varied
from kakusan.builtin.recipe.poses import Item as Item
from kakusan.builtin.recipe.verbs import acts
from kakusan.builtin.recipe.world import (
    COLOURS,
    LINE,
    NORMAL,
    PAIRS,
    PIXEL,
    PLACES,
    RELATIONS,
    SIZES,
    THINGS,
    settings_of,
)

LOCATIONS = len(PLACES) + len(COLOURS) + len(PAIRS)
HELD_OUT = 8  # one combination in so many is never drawn for training
NAMES = [relation.name for relation in RELATIONS]
PAPER = [colour.name for colour in COLOURS].index("white")
SIDE_BY_SIDE = ("left of", "right of", "beside")
# The size of a single object of which nothing is said, and of each of several
USUAL, PAIR = 72 / 128, 52 / 128
SMALL, BIG = SIZES["small"][0], SIZES["big"][0]
ALOFT = 5 / 16  # the centre of what flies above a ground
# Of scenes in a relation, those whose objects do something with one another; of the others, those
# that stand side by side, whichever is left: what people ask for most
DEEDS, BESIDE = 0.45, 0.25
# Of all scenes, those on a plain colour; of those at a time or in a weather, those at a place
PLAIN, SET = 0.42, 0.6
NOT_FLOWN_IN = [
    i for i, place in enumerate(PLACES) if place.name in ("space", "room", "table", "lunar surface")
]


@dataclass(frozen=True)
class Scene:
    """A picture before it is drawn.

    `place` indexes `PLACES`; None is the plain colour `colour`. `setting` is the place that a time
    or a weather is at, if it is at one. The first of `items` is in front.
    With a `relation` the first item is its a, the next b, then c; without one all items are the
    same object. `seed` decides what a place looks like in detail, `chances` decided where across
    the items are.
    """

    items: tuple[Item, ...] = ()
    place: int | None = None
    colour: int = PAPER
    relation: str | None = None
    style: int = NORMAL
    seed: int = 0
    chances: Chances = MIDDLE
    setting: int | None = None

    @property
    def at(self) -> int | None:
        """The place that objects are at: where a time or a weather is, if it is somewhere."""
        return self.place if self.setting is None else self.setting


def held_out(*words: object) -> bool:
    """Whether a combination is kept from training, which decides its name alone."""
    digest = hashlib.sha256("|".join(map(str, words)).encode()).digest()
    return digest[0] % HELD_OUT == 0


def combinations(scene: Scene) -> list[tuple[object, ...]]:
    """What in a scene could be held out: object and colour or place, two and a relation."""
    places = [PLACES[each].name for each in (scene.place, scene.setting) if each is not None]
    found: list[tuple[object, ...]] = []
    for item in scene.items:
        name = THINGS[item.thing].name
        found += [("in", name, where) for where in places or [COLOURS[scene.colour].name]]
        if item.colour is not None:
            found.append(("coloured", name, COLOURS[item.colour].name))
    if scene.relation and len(scene.items) > 1:
        pair = [THINGS[item.thing].name for item in scene.items]
        found.append((scene.relation, *pair))
    elif len(scene.items) > 1:
        found.append(("count", len(scene.items), THINGS[scene.items[0].thing].name))
    return found


def locations_of(name: str) -> frozenset[int]:
    """All locations that a place, or a plain colour, is a part of, by its name."""
    names = [*(each.name for each in PLACES), *(each.name for each in COLOURS)]
    pairs = (i for i, pair in enumerate(PAIRS) if name in {PLACES[each].name for each in pair})
    return frozenset({names.index(name), *(len(names) + i for i in pairs)})


def is_seen(scene: Scene) -> bool:
    """Whether training may draw a scene."""
    return not any(held_out(*combination) for combination in combinations(scene))


def location(scene: Scene) -> int:
    """Where a scene is, as one number: the places, the plain colours, then the pairs of places."""
    if scene.place is None:
        return len(PLACES) + scene.colour
    if scene.setting is None:
        return scene.place
    return len(PLACES) + len(COLOURS) + PAIRS.index((scene.place, scene.setting))


def covered(scene: Scene, side: int = CELLS) -> npt.NDArray[np.bool_]:
    """Which of `side` x `side` cells, by row and column, the objects' squares touch."""
    cells = np.arange(side)

    def touched(at: float, size: float) -> npt.NDArray[np.bool_]:
        return (cells + 1 > (at - size / 2) * side) & (cells < (at + size / 2) * side)

    found = np.zeros((side, side), dtype=np.bool_)
    for item in scene.items:
        found |= np.outer(touched(item.y, item.size), touched(item.x, item.size))
    return found


def is_plain(scene: Scene) -> bool:
    """Whether a scene is one to begin with: one object or none, drawn as it is."""
    return len(scene.items) < 2 and scene.style == NORMAL


def training_scene(rng: Rng, things: int = len(THINGS)) -> Scene:
    """A scene that holds nothing held out, of the first `things` objects."""
    while True:
        scene = random_scene(rng, things)
        if is_seen(scene):
            return scene


def random_scene(rng: Rng, things: int = len(THINGS), kind: str | None = None) -> Scene:
    """Any scene: an empty place, one object, several alike, or some in a relation.

    Args:
        rng: decides everything.
        things: objects to choose from, the first of `THINGS`.
        kind: "empty", "single", "count" or "relation"; at random where not given. Relations are
            those that people ask for most; with "any relation", all alike.
    """
    kind = kind or str(
        rng.choice(["empty", "single", "count", "relation"], p=[0.05, 0.5, 0.1, 0.35])
    )
    scene = _anywhere(rng)
    if kind == "single":
        scene = _single(scene, rng, things)
    elif kind == "count":
        scene = _several(scene, rng, things)
    elif kind in ("relation", "any relation"):
        scene = _related(scene, rng, things, evenly=kind == "any relation")
    return in_some_way(scene, rng)


def in_some_way(scene: Scene, rng: Rng) -> Scene:
    """A scene, as `arranged` gives it, as another picture of the same prompt may show it."""
    chances = Chances.of(rng)
    return replace(scene, items=varied(scene.items, chances), chances=chances)


def _anywhere(rng: Rng) -> Scene:
    place = None if rng.random() < PLAIN else int(rng.integers(len(PLACES)))
    settings = () if place is None else settings_of(place)
    setting = int(rng.choice(settings)) if settings and rng.random() < SET else None
    style = NORMAL if rng.random() < 0.85 else int(rng.choice([PIXEL, LINE]))
    colour = PAPER if style == LINE else int(rng.integers(len(COLOURS)))
    seed = int(rng.integers(2**31))
    return Scene((), place, colour, None, style, seed, setting=setting)


def in_the_sky(scene: Scene) -> bool:
    """Whether a scene is in a place that has no ground."""
    return scene.at is not None and PLACES[scene.at].ground is None


def _ground(scene: Scene) -> float | None:
    return None if scene.at is None else PLACES[scene.at].ground


def _item(rng: Rng, scene: Scene, thing: int, size: float, coloured: float = 0.35) -> Item:
    colour = None
    if THINGS[thing].recolours and scene.style != LINE and rng.random() < coloured:
        colour = int(rng.integers(len(COLOURS)))
        if scene.place is None and colour == scene.colour:  # which nobody could see
            colour = None
    return Item(thing, colour, size)


def _single(scene: Scene, rng: Rng, things: int) -> Scene:
    thing = int(rng.integers(things))
    word = str(rng.choice(list(SIZES))) if rng.random() < 0.25 else None
    size = SIZES[word][0] if word else USUAL
    item = replace(_item(rng, scene, thing, size), word=word)
    ground = _ground(scene)
    often = 0 if scene.place is None or (word and ground) else 0.5 if ground is None else 0.06
    flies = rng.random() < often and scene.at not in NOT_FLOWN_IN
    x, y = _alone(size, ground, flies=flies)
    relation = "flying in" if flies else None
    return replace(scene, items=(replace(item, x=x, y=y),), relation=relation)


def _alone(size: float, ground: float | None, *, flies: bool = False) -> tuple[float, float]:
    """Where a single object is: in the middle, or on the ground, or high above it."""
    if ground is None:
        return 0.5, 0.5
    return 0.5, max(in_cell(size / 2), ALOFT if flies else in_cell(ground - size / 2))


SPOTS = {
    2: ((0.25, 0.5), (0.75, 0.5)),
    3: ((0.25, 0.25), (0.75, 0.25), (0.5, 0.75)),
    4: ((0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75)),
}


def _several(scene: Scene, rng: Rng, things: int) -> Scene:
    countable = [i for i in range(things) if THINGS[i].counts]
    thing, count = countable[int(rng.integers(len(countable)))], int(rng.integers(2, 5))
    item = _item(rng, scene, thing, PAIR)
    return replace(scene, items=tuple(replace(item, x=x, y=y) for x, y in SPOTS[count]))


def _kinds(things: int, *kinds: str) -> list[int]:
    return [i for i in range(things) if THINGS[i].kind in kinds]


def _related(scene: Scene, rng: Rng, things: int, *, evenly: bool) -> Scene:
    anything = range(things)
    deeds = () if evenly or rng.random() > DEEDS else acts(things)
    if deeds:
        relation, first, second = deeds[int(rng.integers(len(deeds)))]
    else:
        relation, first, second = _standing(rng, things, 0.0 if evenly else BESIDE)
    a = first[int(rng.integers(len(first)))]
    if set(second) <= {a}:
        second = anything
    b = _other(rng, second, [a])
    three = relation == "between" or (relation == "beside" and not deeds and rng.random() < 0.3)
    chosen = [a, b, *([_other(rng, anything, [a, b])] if three else [])]
    spots = layout(relation, _ground(scene), len(chosen))
    items = tuple(
        replace(_item(rng, scene, thing, size, 0.25), x=x, y=y)
        for thing, (x, y, size) in zip(chosen, spots, strict=True)
    )
    return replace(scene, items=items, relation=relation)


def _standing(rng: Rng, things: int, beside: float) -> tuple[str, Sequence[int], Sequence[int]]:
    """A relation, and what may be the first and the second in it.

    Args:
        beside: how many more stand side by side than in each other relation.
    """
    anything = range(things)
    if rng.random() < beside:
        return "beside", anything, anything
    able = {
        "riding": (_kinds(things, "animal", "person"), _kinds(things, "animal", "vehicle")),
        "inside": (anything, _kinds(things, "building", "vehicle")),
    }
    possible = [name for name in NAMES[:-1] if all(map(len, able.get(name, (anything,))))]
    relation = possible[int(rng.integers(len(possible)))]  # but flying, which one does alone
    first, second = able.get(relation, (anything, anything))
    return relation, first, second


def _other(rng: Rng, among: Sequence[int], used: Sequence[int]) -> int:
    left = [i for i in among if i not in used]
    return left[int(rng.integers(len(left)))]


def arranged(
    items: Sequence[Item],
    *,
    count: int = 1,
    relation: str | None = None,
    place: int | None = None,
    colour: int = PAPER,
    style: int = NORMAL,
    seed: int = 0,
    setting: int | None = None,
) -> Scene:
    """The plainest scene of these items, in the middle; `count` repeats a single one.

    Items that a relation has no place for are left out.
    """
    scene = Scene((), place, colour, relation, style, seed, setting=setting)
    ground = _ground(scene)
    if relation not in (None, "flying in") and len(items) > 1:
        spots = layout(relation, ground, len(items))
        pairs = zip(items, spots, strict=False)
        placed = [replace(item, x=x, y=y, size=size) for item, (x, y, size) in pairs]
    elif items and count in SPOTS:
        placed = [replace(items[0], x=x, y=y, size=PAIR) for x, y in SPOTS[count]]
    else:
        placed = []
        for item in items[:1]:
            size = SIZES[item.word][0] if item.word else USUAL
            x, y = _alone(size, ground, flies=relation == "flying in")
            placed.append(replace(item, x=x, y=y, size=size))
    return replace(scene, items=tuple(placed))


def layout(relation: str, ground: float | None, count: int = 2) -> list[tuple[float, float, float]]:
    """(x, y, size) of each object in a relation; those side by side stand on the ground, if any.

    Between two others, and beside them, are three objects.
    """
    if relation == "between" or (relation == "beside" and count > 2):
        y = 0.5 if ground is None else in_cell(ground - SMALL / 2)
        columns = (0.5, 3 / 16, 13 / 16) if relation == "between" else (3 / 16, 0.5, 13 / 16)
        return [(x, y, SMALL) for x in columns]
    if relation in SIDE_BY_SIDE:
        left, right = (0.75, 0.25) if relation == "right of" else (0.25, 0.75)
        y = 0.5 if ground is None else in_cell(ground - PAIR / 2)
        return [(x, y, PAIR) for x in (left, right)]
    if relation in ("above", "below"):
        high, low = (0.5, 0.25, PAIR), (0.5, 0.75, PAIR)
        return [high, low] if relation == "above" else [low, high]
    if relation == "on":
        return [(0.5, 5 / 16, PAIR), (0.5, 11 / 16, PAIR)]
    if relation == "riding":
        return [(0.5, 0.25, PAIR), (0.5, 10 / 16, USUAL)]
    return [(0.5, 10 / 16, SMALL), (0.5, 0.5, BIG)]  # inside
