"""The painter draws the same scene always the same, and what the scene says."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kakusan.builtin.recipe.painter import FONT_PATHS, Painter, find_font, recoloured
from kakusan.builtin.recipe.poses import Item
from kakusan.builtin.recipe.scenes import Scene, random_scene
from kakusan.builtin.recipe.world import COLOURS, LINE, PIXEL, PLACES, THINGS
from kakusan.errors import InputError

needs_font = pytest.mark.skipif(
    not any(path.is_file() for path in FONT_PATHS),
    reason="Noto Color Emoji is not installed (Debian: fonts-noto-color-emoji)",
)


@pytest.fixture(scope="module")
def painter() -> Painter:
    return Painter(64)


@needs_font
def test_the_same_scene_gives_the_same_pixels(painter: Painter) -> None:
    rng = np.random.default_rng(1)
    for scene in (random_scene(rng) for _ in range(30)):
        picture = painter.draw(scene)
        assert picture.shape == (64, 64, 3)
        assert picture.dtype == np.uint8
        assert np.array_equal(picture, Painter(64).draw(scene))


@needs_font
def test_every_object_is_drawn_and_differs_from_every_other(painter: Painter) -> None:
    drawn = np.stack([painter.draw(Scene((Item(i),), None, 11)) for i in range(len(THINGS))])
    flat = drawn.reshape(len(drawn), -1).astype(np.float32)[:, ::8]
    distances = np.linalg.norm(flat[:, None] - flat[None], axis=2)
    assert distances[~np.eye(len(flat), dtype=bool)].min() > 100


@needs_font
def test_an_object_has_the_size_and_place_of_its_scene(painter: Painter) -> None:
    apple = [thing.name for thing in THINGS].index("apple")
    empty = painter.draw(Scene((), None, 4)).astype(int)
    picture = painter.draw(Scene((Item(apple, size=0.5, x=0.4, y=0.6),), None, 4)).astype(int)
    rows, columns = np.nonzero(np.abs(picture - empty).sum(2) > 60)
    assert max(np.ptp(rows), np.ptp(columns)) + 1 == pytest.approx(32, abs=2)
    assert (columns.min() + columns.max() + 1) / 2 == pytest.approx(0.4 * 64, abs=1.5)
    assert (rows.min() + rows.max() + 1) / 2 == pytest.approx(0.6 * 64, abs=1.5)


@needs_font
def test_recoloured_objects_take_the_colour(painter: Painter) -> None:
    for index, thing in enumerate(THINGS[:60]):
        if not thing.recolours:
            continue
        glyph = painter._glyph(index, None)  # pyright: ignore[reportPrivateUsage]
        for colour in (COLOURS[0], COLOURS[3], COLOURS[4]):
            values = np.asarray(recoloured(glyph, colour.rgb)).astype(int)
            solid = values[values[..., 3] > 200][:, :3]
            nearest = np.linalg.norm(
                np.median(solid, axis=0) - np.array([c.rgb for c in COLOURS]), axis=1
            )
            assert COLOURS[int(nearest.argmin())] in (colour, COLOURS[8]), (thing.name, colour.name)


def test_a_pillow_without_text_layout_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("kakusan.builtin.recipe.painter.features.check", lambda name: False)
    with pytest.raises(InputError, match="install FriBiDi"):
        Painter(64)


def test_places_differ_from_one_another_and_from_seed_to_seed() -> None:
    means: list[np.ndarray] = []
    for place in PLACES:
        one, other = (place.paint(np.random.default_rng(seed), 64) for seed in (0, 1))
        assert one.shape == (64, 64, 3)
        assert np.isfinite(one).all()
        assert not np.array_equal(one, other)
        means.append(
            Image.fromarray(one.clip(0, 255).astype(np.uint8)).resize((4, 4)).convert("RGB")
        )
    flat = np.stack([np.asarray(mean, np.float32).ravel() for mean in means])
    distances = np.linalg.norm(flat[:, None] - flat[None], axis=2)
    assert distances[~np.eye(len(flat), dtype=bool)].min() > 60


def test_lights_show_a_place_as_it_is_then() -> None:
    at = {place.name: place for place in PLACES}

    def seen(light: str, place: str) -> np.ndarray:
        day = at[place].paint(np.random.default_rng(3), 64)
        change = at[light].light
        assert change is not None
        return change(day, np.random.default_rng(4))

    for place in ("city", "forest", "meadow"):
        day = at[place].paint(np.random.default_rng(3), 64)
        night, snow, rain = (seen(light, place) for light in ("night", "snow", "rain"))
        assert night.mean() < 0.6 * day.mean()
        assert snow.mean() > day.mean() > rain.mean() > night.mean()
        assert np.ptp(rain.mean((0, 1))) < 30
    for place in ("sea", "beach", "desert", "meadow"):
        sunset = seen("sunset", place)
        sun = (sunset > (250, 230, 150)).all(-1) & (sunset[..., 2] < 170)
        assert sun.sum() > 40, place
        assert sunset[..., 0].mean() > 1.5 * sunset[..., 2].mean()
    city = seen("night", "city")
    assert ((city[..., 0] > 240) & (city[..., 2] < 170)).mean() > 0.01  # windows
    meadow = seen("night", "meadow")
    assert not ((meadow[..., 0] > 200) & (meadow[..., 2] < 100)).any()  # flowers do not shine


@needs_font
def test_styles(painter: Painter) -> None:
    item = (Item(0),)
    blocks = painter.draw(Scene(item, 4, style=PIXEL)).reshape(32, 2, 32, 2, 3)
    assert (blocks == blocks[:, :1, :, :1]).all()
    lines = painter.draw(Scene(item, 4, style=LINE)).astype(int)
    assert np.ptp(lines, axis=2).max() == 0
    assert np.median(lines) > 200
    assert lines.min() < 90


def test_a_missing_font_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kakusan.builtin.recipe.painter.FONT_PATHS", ())
    monkeypatch.setattr("kakusan.builtin.recipe.painter.FONT", "no such font.ttf")
    with pytest.raises(InputError, match="fonts-noto-color-emoji"):
        find_font()


@needs_font
def test_the_font_is_found_where_the_system_keeps_fonts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    font = find_font()
    kept = tmp_path / "Library" / "Fonts" / font.name
    kept.parent.mkdir(parents=True)
    kept.symlink_to(font)
    monkeypatch.setattr("kakusan.builtin.recipe.painter.FONT_PATHS", ())
    monkeypatch.setattr("PIL.ImageFont.sys.platform", "darwin")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find_font() == kept
