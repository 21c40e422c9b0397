"""The renderer draws the same scene always the same, and what the scene says."""

import numpy as np
import pytest

from kakusan.errors import InputError
from kakusan.training.scenes import FONT_PATHS, Painter, Scene, find_font, random_scene
from kakusan.training.world import COLOURS, THINGS

needs_font = pytest.mark.skipif(
    not any(path.is_file() for path in FONT_PATHS),
    reason="Noto Color Emoji is not installed (Debian: fonts-noto-color-emoji)",
)


@pytest.fixture(scope="module")
def painter() -> Painter:
    return Painter(64)


def test_the_world_is_large_enough_and_its_names_are_unique() -> None:
    assert len(THINGS) >= 40
    assert len(COLOURS) >= 10
    for known in (THINGS, COLOURS):
        names = [name for each in known for name in each.names]
        assert len(set(names)) == len(names)
    assert len({thing.glyph for thing in THINGS}) == len(THINGS)


def test_random_scenes_repeat_and_keep_the_object_inside() -> None:
    scenes = [random_scene(np.random.default_rng(3)) for _ in range(2)]
    assert scenes[0] == scenes[1]
    rng = np.random.default_rng(0)
    for scene in (random_scene(rng) for _ in range(200)):
        for centre in (scene.x, scene.y):
            assert scene.size / 2 <= centre <= 1 - scene.size / 2


def test_less_variety_is_nearer_to_the_middle() -> None:
    rng = np.random.default_rng(0)
    for scene in (random_scene(rng, variety=0.35) for _ in range(200)):
        assert 0.75 < scene.size < 0.88
        assert abs(scene.x - 0.5) < 0.04
        assert abs(scene.y - 0.5) < 0.04
    assert random_scene(rng, variety=0).size == pytest.approx(0.82)


@needs_font
def test_the_same_scene_gives_the_same_pixels(painter: Painter) -> None:
    rng = np.random.default_rng(1)
    for scene in (random_scene(rng) for _ in range(10)):
        picture = painter.draw(scene)
        assert picture.shape == (64, 64, 3)
        assert picture.dtype == np.uint8
        assert np.array_equal(picture, Painter(64).draw(scene) if scene.thing == 0 else picture)
        assert np.array_equal(picture, painter.draw(scene))


@needs_font
def test_a_plain_scene_is_its_colour(painter: Painter) -> None:
    for index, colour in enumerate(COLOURS):
        picture = painter.draw(Scene(None, index))
        assert np.array_equal(picture, np.broadcast_to(np.uint8(colour.rgb), picture.shape))


@needs_font
def test_every_object_differs_from_every_other(painter: Painter) -> None:
    drawn = np.stack([painter.draw(Scene(thing, 11)) for thing in range(len(THINGS))])
    flat = drawn.reshape(len(drawn), -1).astype(np.float32)
    distances = np.linalg.norm(flat[:, None, ::16] - flat[None, :, ::16], axis=2)
    assert distances[~np.eye(len(flat), dtype=bool)].min() > 100


@needs_font
def test_an_object_has_the_size_and_place_of_its_scene(painter: Painter) -> None:
    backdrop = painter.draw(Scene(None, 4)).astype(int)
    picture = painter.draw(Scene(21, 4, size=0.5, x=0.4, y=0.6)).astype(int)  # an apple
    rows, columns = np.nonzero(np.abs(picture - backdrop).sum(2) > 60)
    assert max(np.ptp(rows), np.ptp(columns)) + 1 == pytest.approx(32, abs=2)
    assert (columns.min() + columns.max() + 1) / 2 == pytest.approx(0.4 * 64, abs=1.5)
    assert (rows.min() + rows.max() + 1) / 2 == pytest.approx(0.6 * 64, abs=1.5)


def test_a_missing_font_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kakusan.training.scenes.FONT_PATHS", ())
    with pytest.raises(InputError, match="fonts-noto-color-emoji"):
        find_font()
