"""Pictures in every form that people have them in become the same pixels, or one clear line."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from kakusan.errors import InputError
from kakusan.inputs import Given, given_pictures, inputs_again

ARRAY = np.random.default_rng(1).integers(0, 256, (24, 40, 3), np.uint8)
PICTURE = Image.fromarray(ARRAY)
ORIENTATION = 0x0112


def given(value: Any, **options: Any) -> Given:
    found = given_pictures("image", value, **options)
    assert found is not None
    return found


def pixels(value: Any, **options: Any) -> np.ndarray:
    found = given(value, **options)
    width, height = found.sizes[0]
    return found.pixels(width, height, "stretch").numpy()


EXPECTED = ARRAY.transpose(2, 0, 1)[None] / np.float32(127.5) - 1


@pytest.mark.parametrize(
    "value",
    [
        PICTURE,
        ARRAY,
        ARRAY[None],
        ARRAY / np.float32(255),
        ARRAY / 255.0,
        torch.from_numpy(ARRAY).permute(2, 0, 1),
        torch.from_numpy(ARRAY / np.float32(255)).permute(2, 0, 1),
        torch.from_numpy(ARRAY / np.float32(127.5) - 1).permute(2, 0, 1)[None],
        [PICTURE],
        (ARRAY / 255.0,),
        PICTURE.convert("RGBA"),
    ],
)
def test_one_picture_in_every_form(value: Any) -> None:
    assert np.abs(pixels(value) - EXPECTED).max() < 1e-6
    assert given(value).files()[0][:3] == given(PICTURE).files()[0][:3] or "127.5" in str(value)


def test_a_file_is_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6  # to be turned to the right by a quarter
    PICTURE.save(tmp_path / "a.png", exif=exif)
    turned = ARRAY.transpose(1, 0, 2)[:, ::-1]
    for value in (tmp_path / "a.png", str(tmp_path / "a.png"), Image.open(tmp_path / "a.png")):
        found = given(value, files=True)
        assert found.sizes == [(24, 40)]
        assert np.array_equal(np.asarray(found.images[0]), turned)
    # what a program has changed since is taken as it shows it
    shown = Image.open(tmp_path / "a.png").convert("RGB").resize((40, 24))
    assert given(shown).sizes == [(40, 24)]
    assert given(tmp_path / "a.png", files=True).files()[0].name == "a.png"


def test_transparency_is_white() -> None:
    image = PICTURE.convert("RGBA")
    image.putalpha(Image.fromarray(np.full((24, 40), 0, np.uint8)))
    assert np.array_equal(pixels(image), np.ones((1, 3, 24, 40), np.float32))
    assert given(image).files() != given(PICTURE).files()
    palette = Image.new("P", (10, 8), 0)
    palette.putpalette([9, 9, 9, 255, 0, 0])
    palette.putpixel((3, 4), 1)
    palette.info["transparency"] = 0
    seen = pixels(palette)[0, :, 4, 3], pixels(palette)[0, :, 0, 0]
    assert [each.tolist() for each in seen] == [[1, -1, -1], [1, 1, 1]]
    half = np.full((8, 8, 4), 128, np.uint8)
    whole = pixels(Image.fromarray(half)), pixels(half), pixels(half / np.float32(255))
    assert np.abs(whole[0] - whole[1]).max() <= 1.01 / 127.5
    assert np.abs(whole[1] - whole[2]).max() < 1e-6


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "CMYK", "YCbCr", "HSV", "I", "F", "I;16"])
def test_modes(mode: str) -> None:
    grey = Image.fromarray(np.linspace(0, 255, 64).astype(np.uint8).reshape(8, 8))
    if mode == "I;16":
        image = Image.fromarray(np.linspace(0, 65535, 64).astype(np.uint16).reshape(8, 8))
    else:
        image = grey.convert(mode)
    found = pixels(image)
    assert found.shape == (1, 3, 8, 8)
    if mode != "1":
        assert np.abs(found[0, 0] - (np.asarray(grey) / 127.5 - 1)).max() < 0.03


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("cat.png", "not a str"),
        ([], "empty list"),
        (3, "not an int"),
        ([PICTURE, ARRAY], "several of one kind in a list, not a numpy ndarray"),
        (ARRAY.astype(np.int64), "must be of floats or uint8, not int64"),
        (ARRAY.astype(np.float32), "values from 0 to 255; floats are taken in"),
        (torch.full((3, 8, 8), torch.nan), "NaN"),
        (torch.zeros(8, 8), r"shape \(c, h, w\) or \(n, c, h, w\), not \(8, 8\)"),
        (np.zeros((3, 8, 8)), r"1, 3 or 4 channels, not \(3, 8, 8\)"),
        (np.zeros((0, 8, 8, 3)), "no pixel"),
        ([np.zeros((8, 8, 3)), np.zeros((8, 16, 3))], "different sizes"),
        (Image.new("L", (70_000, 1)), "70000x1 pixels; make it smaller"),
        (Image.new("L", (9000, 9000)), "make it smaller"),
        (Image.fromarray(np.full((4, 4), -1, np.int32)), "no levels of grey"),
    ],
)
def test_what_is_none(value: Any, says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        given_pictures("image", value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"hello", "'a.png' is not a PNG, JPEG, WebP or BMP picture"),
        (b"", "is not a PNG"),
        (b"\x89PNG\r\n\x1a\n" + b"x" * 50, "broken picture"),
        (None, "there is no file"),
    ],
)
def test_files_that_are_none(tmp_path: Path, data: bytes | None, says: str) -> None:
    if data is not None:
        (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(InputError, match=says.replace("'a.png'", "a.png'")):
        given_pictures("image", tmp_path / "a.png", files=True)


def test_latents_stay_as_they_are() -> None:
    latents = torch.randn(2, 4, 3, 5)
    assert torch.equal(given([latents[0], latents[1]]).latents, latents)  # pyright: ignore[reportArgumentType]


def test_a_record_finds_its_pictures_again() -> None:
    other = Image.fromarray(ARRAY[::-1].copy())
    recorded = given([PICTURE, other]).files()
    found = inputs_again("inputs", recorded, given([other, PICTURE]))
    assert found.files() == recorded
    with pytest.raises(InputError, match=r"made from \(40x24, SHA-256 .*, and it is not \(40x24"):
        inputs_again("inputs", recorded, given(other))
    with pytest.raises(InputError, match="and it is not handed in; give that one as inputs"):
        inputs_again("inputs", recorded, None)
