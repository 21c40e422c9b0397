"""Masks in all forms that people have them in."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from kakusan.errors import InputError, RequestError
from kakusan.inputs import Masks, given_masks, given_pictures, masks_again

LEVELS = np.zeros((6, 8), np.uint8)
LEVELS[2:5, 3:7] = 255
WHITE = LEVELS > 0
PICTURE = Image.fromarray(np.full((6, 8, 3), 90, np.uint8))


def rgba(alpha: np.ndarray) -> Image.Image:
    whole = Image.fromarray(np.full((6, 8, 3), 200, np.uint8))
    whole.putalpha(Image.fromarray(alpha))
    return whole


def masks(value: object, **options: Any) -> Masks:
    found = given_masks("mask", value, **options)
    assert found is not None
    return found


FORMS: dict[str, Any] = {
    "L": Image.fromarray(LEVELS),
    "1": Image.fromarray(LEVELS).convert("1"),
    "P": Image.fromarray(LEVELS).convert("P"),
    "RGB": Image.fromarray(LEVELS).convert("RGB"),
    "opaque RGBA": Image.fromarray(LEVELS).convert("RGBA"),
    "16 bits": Image.fromarray(LEVELS.astype(np.uint16) * 257),
    "(h, w) floats": WHITE.astype(np.float32),
    "(h, w) doubles": WHITE.astype(np.float64),
    "(h, w) bool": WHITE,
    "(h, w) uint8": LEVELS,
    "(h, w) of 0 and 1": WHITE.astype(np.uint8),
    "(h, w) of int64": WHITE.astype(np.int64),
    "(h, w, 1)": WHITE[..., None].astype(np.float32),
    "(h, w, 3)": np.repeat(LEVELS[..., None], 3, axis=-1),
    "(1, h, w)": WHITE[None].astype(np.float32),
    "(1, h, w, 1)": WHITE[None, ..., None].astype(np.float32),
    "tensor (h, w)": torch.from_numpy(WHITE).float(),
    "tensor (1, h, w)": torch.from_numpy(WHITE).half()[None],
    "tensor (n, 1, h, w)": torch.from_numpy(WHITE).bfloat16()[None, None],
    "tensor (n, 3, h, w)": torch.from_numpy(WHITE).float().expand(1, 3, -1, -1),
    "tensor of bool": torch.from_numpy(WHITE),
    "tensor of uint8": torch.from_numpy(LEVELS),
}


@pytest.mark.parametrize("value", FORMS.values(), ids=FORMS)
def test_one_mask(value: Any) -> None:
    found = masks(value)
    assert len(found) == 1
    assert found.sizes == [(8, 6)]
    assert np.allclose(found.levels[0], WHITE, atol=1e-3)
    assert found.files() == masks(FORMS["L"]).files()  # however it came


def test_several() -> None:
    both = np.stack([WHITE, ~WHITE])
    for value in (list(both), both, torch.from_numpy(both), torch.from_numpy(both)[:, None]):
        found = masks(value)
        assert len(found) == 2
        assert np.array_equal(found.levels[1], ~WHITE)
    assert len(masks([FORMS["L"], WHITE])) == 2


def test_soft_ones_keep_their_levels() -> None:
    soft = np.linspace(0, 1, 48, dtype=np.float32).reshape(6, 8)
    assert np.array_equal(masks(soft).levels[0], soft)
    assert masks(soft).files() != masks(soft.round()).files()


def test_a_transparency_that_varies_is_the_mask_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "m.png"
    rgba(LEVELS).save(path)
    for value in (path, str(path), rgba(LEVELS)):
        assert np.array_equal(masks(value, files=True).levels[0], WHITE)
    assert masks(path, files=True).names == ("m.png",)
    assert masks(rgba(LEVELS)).levels[0].min() > 0.7  # of the reference, its brightness


def test_what_a_picture_leaves_transparent() -> None:
    picture = given_pictures("image", rgba(255 - LEVELS))
    found = masks("alpha", files=True, picture=picture)
    assert np.array_equal(found.levels[0], WHITE)
    with pytest.raises(RequestError, match="nothing of the picture is transparent"):
        masks("alpha", files=True, picture=given_pictures("image", PICTURE))


def test_shapes() -> None:
    picture = given_pictures("image", PICTURE)
    box = masks("box:3,2,4,3", files=True, picture=picture)
    assert np.array_equal(box.levels[0], WHITE)
    assert masks("box: -5, -5, 100, 100", files=True, picture=picture).levels[0].min() == 1
    round_one = masks("ellipse:0,0,8,6", files=True, picture=picture).levels[0]
    assert round_one[3, 4] == 1
    assert round_one[0, 0] == 0
    assert 0.6 < round_one.mean() < 0.95


@pytest.mark.parametrize("shape", ["box:1,2,3", "box:a,b,c,d", "box:1,1,0,2", "ellipse:90,0,5,5"])
def test_shapes_of_nothing(shape: str) -> None:
    picture = given_pictures("image", PICTURE)
    with pytest.raises(RequestError) as caught:
        masks(shape, files=True, picture=picture)
    assert shape in str(caught.value)
    assert "\n" not in str(caught.value)


BAD: dict[str, Any] = {
    "a number": 5,
    "an empty list": [],
    "floats beyond 1": WHITE * 7.0,
    "below 0": WHITE - 0.5,
    "NaN": np.full((6, 8), np.nan),
    "five axes": np.zeros((1, 1, 1, 6, 8)),
    "no pixel": np.zeros((0, 8)),
    "text in an array": np.array([["a"]]),
    "a path, where none is taken": "m.png",
}


@pytest.mark.parametrize("value", BAD.values(), ids=BAD)
def test_what_is_no_mask(value: Any) -> None:
    with pytest.raises(InputError) as caught:
        masks(value)
    assert "\n" not in str(caught.value)


def test_a_record_finds_its_masks_again() -> None:
    picture = given_pictures("image", PICTURE)
    mask = given_pictures("inputs", [PICTURE, Image.fromarray(LEVELS)])
    drawn = masks(Image.fromarray(LEVELS))
    for recorded in (drawn, drawn.inverted()):
        again = masks_again("inputs", recorded.files(), mask)
        assert np.array_equal(again.levels[0], recorded.levels[0])
    shape = masks("ellipse:1,1,6,4", files=True, picture=picture)
    for recorded in (shape, shape.inverted()):  # a shape needs no file
        again = masks_again("inputs", recorded.files(), None)
        assert np.array_equal(again.levels[0], recorded.levels[0])
        assert again.files() == recorded.files()
    with pytest.raises(RequestError, match=r"the mask .* is not handed in; give it as inputs"):
        masks_again("inputs", drawn.files(), picture)
