"""What seeds vary, and what of it the words of a prompt hold fast."""

from collections import defaultdict

import numpy as np
import pytest

from kakusan.builtin.recipe.judge import Seen
from kakusan.builtin.recipe.marking import stands
from kakusan.builtin.recipe.poses import (
    CELLS,
    MIDDLE,
    ONE_WAY,
    OTHER_GLYPHS,
    Item,
    glyphs_of,
    varied,
)
from kakusan.builtin.recipe.scenes import Scene, arranged, in_some_way, layout, random_scene
from kakusan.builtin.recipe.world import PLACES, RELATIONS, SIZES, THINGS

NAMES = [thing.name for thing in THINGS]
MEADOW = next(i for i, place in enumerate(PLACES) if place.name == "meadow")


def pictures_of(scene: Scene, count: int = 300) -> list[tuple[Item, ...]]:
    rng = np.random.default_rng(5)
    return [in_some_way(scene, rng).items for _ in range(count)]


def test_the_tables_name_things_and_glyphs_of_their_own() -> None:
    assert OTHER_GLYPHS.keys() <= set(NAMES)
    assert set(NAMES) >= ONE_WAY
    glyphs = [glyph for thing in range(len(THINGS)) for glyph in glyphs_of(thing)]
    assert len(set(glyphs)) == len(glyphs)
    assert glyphs_of(NAMES.index("cat")) == ("🐱", "🐈")


def test_a_single_object_is_anywhere_and_of_any_usual_size() -> None:
    cat = arranged([Item(0)], colour=3)
    items = [items[0] for items in pictures_of(cat)]
    for values, least in (
        ([item.x for item in items], 0.08),
        ([item.y for item in items], 0.08),
        ([item.size for item in items], 0.05),
    ):
        assert np.std(values) > least
    assert all(item.size / 2 <= item.x <= 1 - item.size / 2 for item in items)
    assert all(item.size / 2 <= item.y <= 1 - item.size / 2 for item in items)
    assert {round(item.size * CELLS) for item in items} == {8, 9, 10}
    assert {item.mirrored for item in items} == {False, True}
    assert {item.glyph for item in items} == {0, 1}
    tilts = np.array([item.tilt for item in items])
    assert 0.1 < (tilts != 0).mean() < 0.3
    assert set(np.abs(tilts)) == {0, 10}


def test_objects_fill_whole_cells() -> None:
    rng = np.random.default_rng(3)
    for item in (item for _ in range(2000) for item in random_scene(rng).items):
        edges = np.array([item.size, item.x - item.size / 2, item.y - item.size / 2]) * CELLS
        assert np.array_equal(edges, edges.round())
        assert edges.min() >= 0
        assert edges[1:].max() + edges[0] <= CELLS


def test_each_chance_decides_what_it_is_called_by() -> None:
    cat = arranged([Item(0)], colour=3).items

    def one(**chances: float) -> Item:
        (item,) = varied(cat, MIDDLE._replace(**chances), ground=None, touching=False)
        return item

    plain = one()
    assert (one(across=0.9).x > plain.x, one(across=0.9).y) == (True, plain.y)
    assert (one(down=0.9).y > plain.y, one(down=0.9).x) == (True, plain.x)
    assert one(size=0.99).size > plain.size > one(size=0.0).size
    assert [one(look=look).mirrored for look in (0.2, 0.4, 0.6, 0.9)] == [False, False, True, True]
    assert [one(look=look).glyph for look in (0.1, 0.2, 0.6, 0.9)] == [1, 0, 1, 0]
    assert [one(tilt=tilt).tilt for tilt in (0.05, 0.15, 0.5)] == [10, -10, 0]


def test_what_stands_on_a_ground_stays_there() -> None:
    ground = PLACES[MEADOW].ground
    assert ground is not None
    for scene in (
        arranged([Item(0)], place=MEADOW),
        arranged([Item(0), Item(1)], relation="beside", place=MEADOW),
    ):
        bottoms = np.array(
            [[item.y + item.size / 2 for item in items] for items in pictures_of(scene)]
        )
        assert np.abs(bottoms - ground).max() < 0.08
        assert bottoms.std() > 0.01


def test_what_flies_stays_above_the_ground() -> None:
    ground = PLACES[MEADOW].ground
    assert ground is not None
    scene = arranged([Item(0)], relation="flying in", place=MEADOW)
    items = [items[0] for items in pictures_of(scene)]
    assert all(item.y + item.size / 2 < ground - 0.1 for item in items)
    assert np.std([item.y for item in items]) > 0.01


@pytest.mark.parametrize("word", SIZES)
def test_sizes_that_words_name_stay_apart(word: str) -> None:
    sizes = [items[0].size for items in pictures_of(arranged([Item(0, word=word)]))]
    nearest = min(
        abs(SIZES[word][0] / other - 1) for name, (other, _, _) in SIZES.items() if name != word
    )
    assert np.abs(np.array(sizes) / SIZES[word][0] - 1).max() < nearest / 2


@pytest.mark.parametrize("relation", [each.name for each in RELATIONS[:-1]])
@pytest.mark.parametrize("place", [None, MEADOW])
def test_objects_stand_to_one_another_as_is_said(relation: str, place: int | None) -> None:
    count = len(layout(relation, None))
    scene = arranged([Item(i) for i in range(count)], relation=relation, place=place)
    seen = defaultdict[str, list[float]](list)
    for items in pictures_of(scene):
        assert stands(relation, [Seen(item.thing, 0, item.x, item.y) for item in items])
        assert all(item.x - item.size / 2 >= -0.001 for item in items)
        assert all(item.y + item.size / 2 <= 1.001 for item in items)
        seen["x"].append(items[0].x)
        seen["size"].append(items[0].size)
        if relation in ("on", "riding", "inside"):
            before = (scene.items[1].y - scene.items[0].y) / scene.items[1].size
            away = (items[1].y - items[0].y) / items[1].size
            assert away == pytest.approx(before, abs=0.15)  # of whole cells
            assert items[0].mirrored == items[1].mirrored
            assert not any(item.tilt for item in items)
    assert np.std(seen["x"]) > 0.01
    assert np.std(seen["size"]) > 0.01


def test_several_alike_are_alike_and_apart() -> None:
    for count in (2, 3, 4):
        for items in pictures_of(arranged([Item(0)], count=count, colour=4)):
            assert len({item.glyph for item in items}) == 1
            assert len({item.mirrored for item in items}) == 1
            for i, one in enumerate(items):
                for other in items[:i]:
                    apart = max(abs(one.x - other.x), abs(one.y - other.y))
                    assert apart > 0.8 * max(one.size, other.size)


def test_what_has_letters_is_never_mirrored() -> None:
    rng = np.random.default_rng(2)
    found = [item for _ in range(4000) for item in random_scene(rng).items]
    one_way = [item for item in found if NAMES[item.thing] in ONE_WAY]
    assert len(one_way) > 50
    assert not any(item.mirrored for item in one_way)
    assert not any(item.tilt for item in found if THINGS[item.thing].kind == "building")


def test_a_scene_of_nothing_stays_so() -> None:
    assert pictures_of(Scene((), MEADOW), 1) == [()]
