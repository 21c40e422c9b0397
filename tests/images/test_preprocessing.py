"""Control pictures by the rules of those who taught nets with them."""

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageDraw

from kakusan.errors import ArgumentError
from kakusan.images.filters import gaussian, smaller
from kakusan.images.preprocessing import FUNCTIONS, preprocessed
from kakusan.request.preprocessors import PREPROCESSORS, Made, made_by

Levels = npt.NDArray[np.uint8]


def picture() -> Levels:
    """Soft patches of colour, 40 by 31 pixels."""
    levels = np.random.default_rng(5).integers(0, 256, (5, 6, 3), np.uint8)
    return np.asarray(Image.fromarray(levels).resize((40, 31), Image.Resampling.BICUBIC))


def elsewhere(name: str, *shape: int) -> Levels:
    """See preprocessed_elsewhere.py."""
    path = Path(__file__).parent / "preprocessed.json"
    return np.frombuffer(bytes.fromhex(json.loads(path.read_text())[name]), np.uint8).reshape(shape)


def made(name: str, x: Levels | None = None) -> Levels:
    values = made_by(name)
    image = Image.fromarray(picture() if x is None else x)
    found = preprocessed(image, *values)
    assert (found.mode, found.size) == ("RGB", image.size)
    return np.asarray(found)


def drawn_lines() -> Levels:
    """A box with a black edge on white, and a dot."""
    image = Image.new("RGB", (128, 128), "white")
    draw = ImageDraw.Draw(image)
    draw.rectangle((30, 30, 90, 80), outline="black", width=3)
    draw.point((110, 110), "black")
    return np.asarray(image)


def test_each_name_has_its_function() -> None:
    assert FUNCTIONS.keys() == PREPROCESSORS.keys()


@pytest.mark.parametrize(
    ("name", "key"),
    [("recolor", "recolor"), ("recolour-luminance", "recolor"), ("recolor_intensity",) * 2],
)
def test_grey_levels_are_opencvs(name: str, key: str) -> None:
    ours, theirs = made(name)[..., 0], elsewhere(key, 31, 40)
    assert np.abs(ours.astype(int) - theirs).max() <= (key == "recolor")


def test_scribbles_blurs_and_areas_are_opencvs() -> None:
    assert np.array_equal(made("scribble_xdog")[..., 0], elsewhere("scribble_xdog", 31, 40))
    assert np.abs(made("blur=2.5").astype(int) - elsewhere("blur", 31, 40, 3)).max() <= 1
    small = np.rint(smaller(picture().astype(np.float32), 23, 18))
    assert np.abs(small - elsewhere("smaller", 18, 23, 3)).max() <= 1


def test_what_leaves_pictures_as_they_are() -> None:
    for name in ("none", "raw", "tile", "tile_resample=1", "inpaint"):
        assert np.array_equal(made(name), picture())


def test_simple_rules() -> None:
    x = picture()
    assert np.array_equal(made("invert"), 255 - x)
    assert np.array_equal(made("threshold=100")[..., 1], (x.min(axis=2) > 100) * 255)
    assert np.array_equal(made("canny=40,80"), made(" Canny=40, 80"))
    assert made("recolor=2").mean() < made("recolor").mean() < made("recolor=0.5").mean()
    rough, fine = made("tile_resample=4"), made("tile_resample=2")
    assert np.abs(rough - x.astype(int)).mean() > np.abs(fine - x.astype(int)).mean() > 0


def test_scribbles_are_thick_and_without_dots() -> None:
    lines = drawn_lines()
    thin, thick = made("canny", lines)[..., 0], made("scribble", lines)[..., 0]
    assert (thick > 0).sum() > 2 * (thin > 0).sum()
    assert not thick[100:, 100:].any()
    assert made("scribble_xdog", lines)[31, 40].tolist() == [255] * 3
    assert not made("scribble", np.full((9, 9, 3), 7, np.uint8)).any()


def test_pictures_of_one_pixel() -> None:
    for name in PREPROCESSORS:
        for shape in ((1, 1, 3), (1, 9, 3), (9, 1, 3)):
            made(name, np.full(shape, 90, np.uint8))
    assert np.allclose(gaussian(np.full((1, 2, 3), 4.0, np.float32), 9.0), 4.0)


@pytest.mark.parametrize(
    ("kind", "name", "values"),
    [
        ("canny", "canny", (100.0, 200.0)),
        ("canny=50", "canny=50,200", (50.0, 200.0)),
        ("CANNY=100,200", "canny", (100.0, 200.0)),
        ("raw", "none", ()),
        ("recolour", "recolor", (1.0,)),
        ("tile-resample=3", "tile_resample=3", (3.0,)),
    ],
)
def test_names(kind: str, name: str, values: tuple[float, ...]) -> None:
    found = made_by(kind)
    assert (str(found), found.values) == (name, values)
    assert made_by(str(found)) == found
    assert isinstance(found, Made)


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("cany", "no preprocessor 'cany'; did you mean canny?"),
        ("xyzzy", "no preprocessor 'xyzzy'; there are none, canny, scribble"),
        ("depth", "'depth' needs a network, which kakusan does not have; give its picture"),
        ("OpenPose", "needs a network"),
        ("canny=1,2,3", "the preprocessor canny of controls takes low, high, not '1,2,3'"),
        ("invert=3", "takes no number"),
        ("canny=nan", "the low of canny in controls must be a number from 0 to 4080, not 'nan'"),
        ("blur=x", "the sigma of blur"),
        ("", "no preprocessor ''"),
    ],
)
def test_names_that_are_none(kind: str, says: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        made_by(kind)
    assert says in str(caught.value)
