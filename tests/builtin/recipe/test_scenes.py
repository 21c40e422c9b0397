"""Scenes: what may be drawn at random, what is held out, and where objects stand."""

from collections import Counter

import numpy as np
import pytest

from kakusan.builtin.recipe.scenes import (
    NAMES,
    Item,
    Scene,
    arranged,
    combinations,
    covered,
    held_out,
    is_seen,
    layout,
    location,
    locations_of,
    random_scene,
    training_scene,
)
from kakusan.builtin.recipe.verbs import deeds_of
from kakusan.builtin.recipe.world import (
    COLOURS,
    CORE,
    PLACES,
    RELATIONS,
    SIZES,
    STYLES,
    THINGS,
    settings_of,
)


def test_the_world_is_large_and_its_names_are_unique() -> None:
    assert len(THINGS) >= 250
    assert CORE >= 80
    assert len(PLACES) + 1 >= 14
    assert len(RELATIONS) == 10
    assert len(STYLES) == 3
    for names in (
        [name for thing in THINGS for name in thing.english],
        [name for thing in THINGS for name in thing.japanese],
        [name for colour in COLOURS for name in colour.english],
        [name for place in PLACES for name in place.tags],
        [thing.glyph for thing in THINGS],
    ):
        assert [name for name, count in Counter(names).items() if count > 1] == []


def test_scenes_repeat_with_their_seed() -> None:
    one, other = ([random_scene(np.random.default_rng(s)) for s in range(50)] for _ in range(2))
    assert one == other
    assert len(set(one)) == 50


def test_training_draws_nothing_that_is_held_out() -> None:
    rng = np.random.default_rng(0)
    drawn = [training_scene(rng, CORE) for _ in range(3000)]
    assert not [each for scene in drawn for each in combinations(scene) if held_out(*each)]
    others = [random_scene(rng, CORE) for _ in range(3000)]
    share = sum(not is_seen(scene) for scene in others) / len(others)
    assert 0.1 < share < 0.5


def test_objects_of_a_relation_often_do_something_with_one_another() -> None:
    rng = np.random.default_rng(3)
    scenes = [training_scene(rng, 160) for _ in range(2000)]
    pairs = [scene for scene in scenes if scene.relation and len(scene.items) == 2]
    doing = [s for s in pairs if deeds_of(str(s.relation), s.items[0].thing, s.items[1].thing)]
    assert len(pairs) > 0.25 * len(scenes)
    assert len(doing) > 0.45 * len(pairs)
    assert {scene.relation for scene in pairs} >= {*NAMES} - {"between", "flying in"}


def test_a_combination_is_held_out_whatever_is_around_it() -> None:
    kept = [
        (thing.name, colour.name)
        for thing in THINGS
        for colour in COLOURS
        if held_out("coloured", thing.name, colour.name)
    ]
    assert 0.09 < len(kept) / (len(THINGS) * len(COLOURS)) < 0.16
    assert held_out("coloured", "cat", "red") == held_out("coloured", "cat", "red")


def test_only_the_wanted_objects_are_drawn_and_never_in_the_colour_of_the_ground() -> None:
    rng = np.random.default_rng(1)
    for scene in (random_scene(rng, 7) for _ in range(500)):
        assert all(item.thing < 7 for item in scene.items)
        if scene.place is None:
            assert all(item.colour != scene.colour for item in scene.items)


def test_singles_stay_inside_and_have_the_size_of_their_word() -> None:
    rng = np.random.default_rng(2)
    for scene in (random_scene(rng, kind="single") for _ in range(500)):
        (item,) = scene.items
        assert item.size / 2 - 0.03 <= item.x <= 1.03 - item.size / 2
        assert item.y <= 1.03 - item.size / 2
        if item.word:
            assert item.size == SIZES[item.word][0]


@pytest.mark.parametrize("ground", [None, 0.9])
def test_layouts_are_what_relations_say(ground: float | None) -> None:
    at = {each.name: layout(each.name, ground) for each in RELATIONS[:-1]}
    assert at["left of"][0][0] < at["left of"][1][0] - 0.3
    assert at["right of"][0][0] > at["right of"][1][0] + 0.3
    assert abs(at["beside"][0][0] - at["beside"][1][0]) > 0.3
    assert at["above"][0][1] < at["above"][1][1] - 0.3
    assert at["below"][0][1] > at["below"][1][1] + 0.3
    for name in ("on", "riding"):
        assert at[name][0][1] < at[name][1][1] - 0.1
    a, b, c = at["between"]
    assert min(b[0], c[0]) < a[0] < max(b[0], c[0])
    assert at["inside"][0][2] < at["inside"][1][2]
    a, b, c = layout("beside", ground, 3)
    assert a[0] + 0.25 < b[0] < c[0] - 0.25
    assert a[1] == b[1] == c[1]


def test_what_flies_is_above_the_ground_wherever_there_is_one() -> None:
    rng, places = np.random.default_rng(5), set[int]()
    for scene in (random_scene(rng, kind="single") for _ in range(4000)):
        if scene.relation == "flying in":
            assert scene.at is not None
            places.add(scene.at)
            ground = PLACES[scene.at].ground
            assert ground is None or scene.items[0].y + scene.items[0].size / 2 < ground - 0.1
            plainest = arranged(
                scene.items, relation="flying in", place=scene.place, setting=scene.setting
            ).items
            assert ground is None or plainest[0].y == 5 / 16
    never = {PLACES[i].name for i in range(len(PLACES)) if i not in places}
    assert never == {"space", "room", "table", "lunar surface"}


def test_times_and_weathers_are_at_the_places_that_they_may_be_at() -> None:
    rng, seen = np.random.default_rng(6), set[tuple[int, int]]()
    for scene in (random_scene(rng, kind="empty") for _ in range(3000)):
        if scene.setting is not None:
            assert scene.place is not None
            assert scene.at == scene.setting
            seen.add((scene.place, scene.setting))
        else:
            assert scene.at == scene.place
    assert seen == {(i, at) for i in range(len(PLACES)) for at in settings_of(i)}
    assert len(seen) == 20
    names = [place.name for place in PLACES]
    night, city = names.index("night"), names.index("city")
    at_night = Scene((Item(0),), night, setting=city)
    held = {at for _, _, at in combinations(at_night)}
    assert held == {"night", "city"}
    assert location(at_night) not in {location(Scene(place=night)), location(Scene(place=city))}
    assert location(at_night) in locations_of("night") & locations_of("city")
    assert len(locations_of("city")) == 5
    assert locations_of("red") == {location(Scene(colour=0))}


def test_two_or_three_stand_beside_one_another() -> None:
    rng = np.random.default_rng(6)
    scenes = [random_scene(rng, kind="relation") for _ in range(2000)]
    counts = Counter(len(scene.items) for scene in scenes if scene.relation == "beside")
    assert set(counts) == {2, 3}
    assert 0.06 < counts[3] / counts.total() < 0.2
    three = next(s for s in scenes if s.relation == "beside" and len(s.items) == 3)
    assert len(combinations(three)[-1]) == 4  # the relation and all three, to be held out or not


def test_covered_cells_are_those_that_an_objects_square_touches() -> None:
    cells = covered(Scene((Item(0, size=0.25, x=0.5, y=0.78), Item(0, size=0.5, x=0.0, y=0.0))))
    assert cells[10:15, 6:10].all()
    assert cells[:4, :4].all()
    assert int(cells.sum()) == 5 * 4 + 4 * 4
