"""Captions name what a scene shows, in both languages."""

import re

import numpy as np
import pytest

from kakusan.builtin.recipe.captions import article, caption, english, japanese, plural
from kakusan.builtin.recipe.scenes import Item, Scene, random_scene
from kakusan.builtin.recipe.world import COLOURS, PLACES, RELATIONS, THINGS


def indices(*names: str) -> list[int]:
    known = [thing.name for thing in THINGS]
    return [known.index(name) for name in names]


def several(scene: Scene, count: int = 60) -> tuple[list[str], list[str]]:
    def rngs() -> list[np.random.Generator]:
        return [np.random.default_rng(seed) for seed in range(count)]

    return (
        [english(scene, rng, whole=True) for rng in rngs()],
        [japanese(scene, rng, whole=True) for rng in rngs()],
    )


def test_whole_captions_name_every_object_and_the_place() -> None:
    for seed in range(1500):
        rng = np.random.default_rng(seed)
        scene = random_scene(rng)
        first, second = english(scene, rng, whole=True), japanese(scene, rng, whole=True)
        assert "{" not in first + second
        assert not re.search(r"\ba [aeio]|\ban [^aeiouU8]", first), first
        for item in scene.items:
            thing = THINGS[item.thing]
            names = [*thing.english, *(plural(name) for name in thing.english)]
            assert any(name in first for name in names), first
            assert any(name in second for name in thing.japanese), second
        place = None if scene.place is None else PLACES[scene.place]
        colours = COLOURS[scene.colour].english
        said = colours if place is None else (*place.clauses, *place.tags)
        assert any(words in first for words in said), first


def test_relations_say_who_is_where() -> None:
    dog, house = indices("dog", "house")
    items = (Item(dog), Item(house))
    for relation in RELATIONS:
        if relation.name in ("between", "flying in"):
            continue
        said, in_japanese = several(Scene(items, None, 10, relation.name))
        patterns = [
            form.format(a=".*(dog|puppy)", b=".*(house|home|cottage)") for form in relation.english
        ]
        assert all(any(re.search(p, text) for p in patterns) for text in said), relation.name
        assert len(set(in_japanese)) > 5


def test_counts_are_numbers_with_a_plural() -> None:
    (cat,) = indices("cat")
    said, in_japanese = several(Scene((Item(cat),) * 3, None, 0))
    assert all(re.search(r"(three|3) (cats|kittens|kitties|tabby cats)", text) for text in said)
    assert all(re.search("三|3", text) for text in in_japanese)


def test_a_colour_and_a_size_stand_before_the_name() -> None:
    (cat,) = indices("cat")
    said, in_japanese = several(Scene((Item(cat, colour=4, word="tiny"),), 4))
    assert all(re.search(r"(tiny|very small) blue ", text) for text in said)
    assert all("青い" in text for text in in_japanese)


def test_captions_repeat_with_their_seed_and_have_many_wordings() -> None:
    (cat,) = indices("cat")
    scene = Scene((Item(cat),), 6)
    texts = [caption(scene, np.random.default_rng(seed)) for seed in range(200)]
    assert len(set(texts)) > 60
    assert texts == [caption(scene, np.random.default_rng(seed)) for seed in range(200)]


@pytest.mark.parametrize(
    ("name", "several"),
    [
        ("cat", "cats"),
        ("box", "boxes"),
        ("cherry", "cherries"),
        ("monkey", "monkeys"),
        ("mouse", "mice"),
        ("slice of pizza", "slices of pizza"),
        ("wolf", "wolves"),
    ],
)
def test_plurals(name: str, several: str) -> None:
    assert plural(name) == several


def test_articles() -> None:
    words = ["cat", "orange", "octopus", "unicorn", "umbrella", "UFO", "8-bit"]
    assert [article(word) for word in words] == ["a", "an", "an", "a", "an", "a", "an"]
