"""The captions name what the scene shows."""

import re

import numpy as np

from kakusan.training.captions import article, caption
from kakusan.training.scenes import Scene, random_scene
from kakusan.training.world import COLOURS, THINGS


def test_captions_name_the_object_and_mostly_the_colour() -> None:
    rng = np.random.default_rng(0)
    with_colour = 0
    for _ in range(2000):
        scene = random_scene(rng, empty=0)
        assert scene.thing is not None
        text = caption(scene, rng)
        assert any(name in text for name in THINGS[scene.thing].names), text
        with_colour += any(name in text for name in COLOURS[scene.colour].names)
        assert "{" not in text
        assert not re.search(r"\ba [aeiou]|\ban [^aeiou]", text.replace("a uni", "")), text
    assert 0.8 < with_colour / 2000 < 0.99


def test_captions_have_many_wordings_but_repeat_with_their_seed() -> None:
    scene = Scene(0, 0)
    texts = [caption(scene, np.random.default_rng(seed)) for seed in range(200)]
    assert len(set(texts)) > 30
    assert texts == [caption(scene, np.random.default_rng(seed)) for seed in range(200)]


def test_a_plain_scene_is_captioned_by_its_colour_alone() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        text = caption(Scene(None, 0), rng)
        assert "red" in text
        assert not any(re.search(rf"\b{thing.name}\b", text) for thing in THINGS)


def test_articles() -> None:
    assert [article(word) for word in ("cat", "orange", "octopus", "unicorn", "umbrella")] == [
        "a",
        "an",
        "an",
        "a",
        "an",
    ]
