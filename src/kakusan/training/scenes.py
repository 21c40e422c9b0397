"""What a training picture shows, drawn at random within what may be learnt."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from kakusan.training.backdrops import Rng
from kakusan.training.world import COLOURS, LINE, NORMAL, PIXEL, PLACES, RELATIONS, SIZES, THINGS

HELD_OUT = 8  # one combination in so many is never drawn for training
NAMES = [relation.name for relation in RELATIONS]
PAPER = [colour.name for colour in COLOURS].index("white")
SIDE_BY_SIDE = ("left of", "right of", "beside")


@dataclass(frozen=True)
class Item:
    """An object in a scene.

    `thing` and `colour` index `THINGS` and `COLOURS`; None leaves its own colours. `size` is the
    longer side and `x`, `y` the centre, as fractions of the picture. `word` names the size.
    """

    thing: int
    colour: int | None = None
    size: float = 0.6
    x: float = 0.5
    y: float = 0.5
    word: str | None = None


@dataclass(frozen=True)
class Scene:
    """A picture before it is drawn.

    `place` indexes `PLACES`; None is the plain colour `colour`. The first of `items` is in front.
    With a `relation` the first item is its a, the next b, then c;
    without one all items are the same object. `seed` decides what a place looks like in detail.
    """

    items: tuple[Item, ...] = ()
    place: int | None = None
    colour: int = 10
    relation: str | None = None
    style: int = NORMAL
    seed: int = 0


def held_out(*words: object) -> bool:
    """Whether a combination is kept from training, which decides its name alone."""
    digest = hashlib.sha256("|".join(map(str, words)).encode()).digest()
    return digest[0] % HELD_OUT == 0


def combinations(scene: Scene) -> list[tuple[object, ...]]:
    """What in a scene could be held out: object and colour or place, two and a relation."""
    where = COLOURS[scene.colour].name if scene.place is None else PLACES[scene.place].name
    found: list[tuple[object, ...]] = []
    for item in scene.items:
        name = THINGS[item.thing].name
        found.append(("in", name, where))
        if item.colour is not None:
            found.append(("coloured", name, COLOURS[item.colour].name))
    if scene.relation and len(scene.items) > 1:
        pair = [THINGS[item.thing].name for item in scene.items]
        found.append((scene.relation, *pair))
    elif len(scene.items) > 1:
        found.append(("count", len(scene.items), THINGS[scene.items[0].thing].name))
    return found


def is_seen(scene: Scene) -> bool:
    """Whether training may draw a scene."""
    return not any(held_out(*combination) for combination in combinations(scene))


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
        kind: "empty", "single", "count" or "relation"; at random where not given.
    """
    kind = kind or str(
        rng.choice(["empty", "single", "count", "relation"], p=[0.04, 0.5, 0.14, 0.32])
    )
    scene = _anywhere(rng)
    if kind == "single":
        return _single(scene, rng, things)
    if kind == "count":
        return _several(scene, rng, things)
    if kind == "relation":
        return _related(scene, rng, things)
    return scene


def _anywhere(rng: Rng) -> Scene:
    place = None if rng.random() < 0.45 else int(rng.integers(len(PLACES)))
    style = NORMAL if rng.random() < 0.84 else int(rng.choice([PIXEL, LINE]))
    colour = PAPER if style == LINE else int(rng.integers(len(COLOURS)))
    return Scene((), place, colour, None, style, int(rng.integers(2**31)))


def _ground(scene: Scene) -> float | None:
    return None if scene.place is None else PLACES[scene.place].ground


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
    size = float(rng.uniform(*(SIZES[word][0] if word else (0.5, 0.66))))
    item = replace(_item(rng, scene, thing, size), word=word)
    flies = scene.place in (0, 1) and rng.random() < 0.5
    room = (1 - size) / 2
    x = 0.5 + float(rng.uniform(-0.6, 0.6)) * room
    ground = _ground(scene)
    if ground is None:
        y = 0.5 + float(rng.uniform(-0.6, 0.6)) * room
    else:
        y = max(size / 2, ground - size / 2 + float(rng.uniform(-0.03, 0.02)))
    relation = "flying in" if flies else None
    return replace(scene, items=(replace(item, x=x, y=y),), relation=relation)


SPOTS = {
    2: ((0.28, 0.5), (0.72, 0.5)),
    3: ((0.28, 0.3), (0.72, 0.3), (0.5, 0.72)),
    4: ((0.28, 0.28), (0.72, 0.28), (0.28, 0.72), (0.72, 0.72)),
}


def _several(scene: Scene, rng: Rng, things: int) -> Scene:
    countable = [i for i in range(things) if THINGS[i].counts]
    thing, count = countable[int(rng.integers(len(countable)))], int(rng.integers(2, 5))
    size = float(rng.uniform(0.34, 0.4))
    item = _item(rng, scene, thing, size)
    jitter = rng.uniform(-0.03, 0.03, (count, 2))
    items = tuple(
        replace(item, x=x + float(dx), y=y + float(dy))
        for (x, y), (dx, dy) in zip(SPOTS[count], jitter, strict=True)
    )
    return replace(scene, items=items)


def _kinds(things: int, *kinds: str) -> list[int]:
    return [i for i in range(things) if THINGS[i].kind in kinds]


def _related(scene: Scene, rng: Rng, things: int) -> Scene:
    anything = list(range(things))
    able = {
        "riding": (_kinds(things, "animal", "person"), _kinds(things, "animal", "vehicle")),
        "inside": (anything, _kinds(things, "building", "vehicle")),
    }
    possible = [name for name in NAMES[:-1] if all(map(len, able.get(name, (anything,))))]
    relation = possible[int(rng.integers(len(possible)))]  # but flying, which one does alone
    first, second = able.get(relation, (anything, anything))
    a = first[int(rng.integers(len(first)))]
    b = _other(rng, second, [a])
    chosen = [a, b, *([_other(rng, anything, [a, b])] if relation == "between" else [])]
    spots = layout(relation, rng, _ground(scene))
    items = tuple(
        replace(_item(rng, scene, thing, size, 0.25), x=x, y=y)
        for thing, (x, y, size) in zip(chosen, spots, strict=True)
    )
    return replace(scene, items=items, relation=relation)


def _other(rng: Rng, among: Sequence[int], used: Sequence[int]) -> int:
    left = [i for i in among if i not in used]
    return left[int(rng.integers(len(left)))]


def layout(relation: str, rng: Rng, ground: float | None) -> list[tuple[float, float, float]]:
    """(x, y, size) of each object in a relation, where places with a ground have it at `ground`."""

    def some(low: float, high: float) -> float:
        return float(rng.uniform(low, high))

    middle = 0.5 if ground is None else ground - 0.22
    if relation in SIDE_BY_SIDE:
        left, right = some(0.24, 0.28), some(0.72, 0.76)
        if relation == "right of" or (relation == "beside" and rng.random() < 0.5):
            left, right = right, left
        return [(x, middle + some(-0.02, 0.02), some(0.38, 0.44)) for x in (left, right)]
    if relation == "between":
        xs = (0.5, 0.19, 0.81) if rng.random() < 0.5 else (0.5, 0.81, 0.19)
        return [(x + some(-0.01, 0.01), middle, some(0.29, 0.33)) for x in xs]
    x = some(0.42, 0.58)
    if relation in ("above", "below"):
        high, low = (x, some(0.23, 0.26), some(0.36, 0.42)), (x, some(0.74, 0.77), some(0.36, 0.42))
        return [high, low] if relation == "above" else [low, high]
    if relation == "on":
        return [(x, some(0.28, 0.31), some(0.36, 0.4)), (x, some(0.66, 0.69), some(0.42, 0.46))]
    if relation == "riding":
        size = some(0.56, 0.62)
        return [(x - 0.02, 0.62 - 0.62 * size, some(0.36, 0.4)), (x, 0.64, size)]
    size = some(0.78, 0.86)  # inside
    return [(x, 0.5 + 0.16 * size, some(0.3, 0.34)), (x, 0.52, size)]
