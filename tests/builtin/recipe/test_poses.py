"""What seeds vary, and what of it the words of a prompt hold fast."""

from collections import defaultdict

import numpy as np
import pytest

from kakusan.builtin.recipe.judge import Seen
from kakusan.builtin.recipe.marking import stands
from kakusan.builtin.recipe.poses import CELLS, Chances, Item, varied
from kakusan.builtin.recipe.scenes import (
    USUAL,
    Scene,
    arranged,
    in_some_way,
    layout,
    random_scene,
)
from kakusan.builtin.recipe.world import PLACES, RELATIONS, SIZES

MEADOW = next(i for i, place in enumerate(PLACES) if place.name == "meadow")


def pictures_of(scene: Scene, count: int = 300) -> list[tuple[Item, ...]]:
    rng = np.random.default_rng(5)
    return [in_some_way(scene, rng).items for _ in range(count)]


def test_a_single_object_is_in_three_places() -> None:
    items = [items[0] for items in pictures_of(arranged([Item(0)], colour=3))]
    assert {item.x * CELLS for item in items} == {6, 8, 10}
    assert {(item.y, item.size) for item in items} == {(0.5, USUAL)}


def test_objects_move_by_an_even_number_of_cells() -> None:
    rng, places = np.random.default_rng(3), defaultdict[tuple[float, ...], set[float]](set)
    for items in (random_scene(rng).items for _ in range(3000)):
        for item in items:
            assert 0 <= item.x - item.size / 2 <= item.x + item.size / 2 <= 1
            assert item.y - item.size / 2 >= -0.03  # the borders of cells are the nearest ones
            if len(items) == 1:
                places[(item.size,)].add(round(item.x * CELLS, 6) % 2)
    assert len(places) == 1 + len(SIZES)
    assert all(len(found) == 1 for found in places.values())


def test_the_chance_decides_where_it_is() -> None:
    cat = arranged([Item(0)], colour=3).items
    found = [varied(cat, Chances(across))[0].x for across in (0.1, 0.5, 0.9)]
    assert found == [0.375, 0.5, 0.625]


def test_what_stands_on_a_ground_stays_there() -> None:
    ground = PLACES[MEADOW].ground
    assert ground is not None
    for scene in (
        arranged([Item(0)], place=MEADOW),
        arranged([Item(0), Item(1)], relation="beside", place=MEADOW),
    ):
        for items in pictures_of(scene, 50):
            assert max(item.y + item.size / 2 for item in items) == pytest.approx(ground, abs=0.04)


def test_what_flies_stays_above_the_ground() -> None:
    ground = PLACES[MEADOW].ground
    assert ground is not None
    scene = arranged([Item(0)], relation="flying in", place=MEADOW)
    items = [items[0] for items in pictures_of(scene)]
    assert all(item.y + item.size / 2 < ground - 0.1 for item in items)


@pytest.mark.parametrize("word", SIZES)
def test_a_size_that_a_word_names_stays(word: str) -> None:
    items = [items[0] for items in pictures_of(arranged([Item(0, word=word)]))]
    assert {item.size for item in items} == {SIZES[word][0]}
    assert len({item.x for item in items}) == (1 if word == "huge" else 3)


@pytest.mark.parametrize("relation", [each.name for each in RELATIONS[:-1]])
@pytest.mark.parametrize("place", [None, MEADOW])
def test_objects_stand_to_one_another_as_is_said(relation: str, place: int | None) -> None:
    count = len(layout(relation, None))
    scene = arranged([Item(i) for i in range(count)], relation=relation, place=place)
    for items in pictures_of(scene):
        assert stands(relation, [Seen(item.thing, 0, item.x, item.y) for item in items])
        assert all(item.x - item.size / 2 >= -0.001 for item in items)
        assert all(item.y + item.size / 2 <= 1.001 for item in items)
        away = [(item.x - items[0].x, item.y - items[0].y) for item in items]
        before = [(item.x - scene.items[0].x, item.y - scene.items[0].y) for item in scene.items]
        assert away == [pytest.approx(each) for each in before]


def test_several_alike_are_alike_and_apart() -> None:
    for count in (2, 3, 4):
        for items in pictures_of(arranged([Item(0)], count=count, colour=4)):
            for i, one in enumerate(items):
                for other in items[:i]:
                    apart = max(abs(one.x - other.x), abs(one.y - other.y))
                    assert apart > 0.8 * max(one.size, other.size)


def test_a_scene_of_nothing_stays_so() -> None:
    assert pictures_of(Scene((), MEADOW), 1) == [()]
