"""Pictures and masks as ComfyUI's nodes make them, compared with the same written in torch."""

import math

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.functional import conv2d, interpolate

from kakusan.errors import RequestError
from kakusan.server.dialects.comfyui import pixels
from kakusan.server.dialects.comfyui.latents import Begun, drawn_over
from kakusan.server.dialects.comfyui.pixels import Mask, Multiplied, Pixels, Scaled


def noisy(width: int, height: int, bands: int = 3) -> Image.Image:
    levels = np.random.default_rng(3).integers(0, 256, (height, width, bands), np.uint8)
    return Image.fromarray(levels[..., 0] if bands == 1 else levels)


def as_tensor(image: Image.Image) -> torch.Tensor:
    levels = np.array(image, np.float32) / 255
    levels = levels[..., None] if levels.ndim == 2 else levels
    return torch.from_numpy(levels).permute(2, 0, 1)[None]


@pytest.mark.parametrize("size", [(40, 24), (9, 70), (128, 200)])
@pytest.mark.parametrize("method", ["nearest-exact", "bilinear"])
def test_scaled_as_torch_does(size: tuple[int, int], method: str) -> None:
    image = noisy(64, 48)
    found = pixels.picture_of(Pixels("a", (Scaled(method, *size, False),)), lambda name: image)
    wanted = interpolate(as_tensor(image), size=(size[1], size[0]), mode=method)
    assert float((as_tensor(found) - wanted).abs().max()) < 1.5 / 255


def test_lanczos_is_pils() -> None:
    image = noisy(64, 48)
    found = pixels.picture_of(Pixels("a", (Scaled("lanczos", 40, 24, False),)), lambda name: image)
    assert found == image.resize((40, 24), Image.Resampling.LANCZOS)


def test_sides_that_follow_and_the_middle() -> None:
    image = noisy(64, 48)

    def size(step: Scaled | Multiplied) -> tuple[int, int]:
        return pixels.picture_of(Pixels("a", (step,)), lambda name: image).size

    assert size(Scaled("area", 0, 24, False)) == (32, 24)
    assert size(Scaled("area", 32, 0, False)) == (32, 24)
    assert size(Scaled("area", 0, 0, True)) == (64, 48)
    assert size(Multiplied("lanczos", 0.5)) == (32, 24)
    square = pixels.picture_of(Pixels("a", (Scaled("area", 48, 48, True),)), lambda name: image)
    assert square == image.crop((8, 0, 56, 48))


@pytest.mark.parametrize("by", [0.001, 2000.0])
def test_sizes_that_cannot_be(by: float) -> None:
    with pytest.raises(RequestError, match="is not scaled to"):
        pixels.picture_of(Pixels("a", (Multiplied("area", by),)), lambda name: noisy(64, 48))


def test_what_is_transparent_keeps_its_colour_and_is_the_mask() -> None:
    image = noisy(16, 16, 4)
    assert pixels.picture_of(Pixels("a"), lambda name: image) == image.convert("RGB")
    mask = np.asarray(pixels.mask_of(Mask("a", "alpha"), lambda name: image))
    assert (mask == 255 - np.asarray(image)[..., 3]).all()
    red = np.asarray(pixels.mask_of(Mask("a", "red"), lambda name: image))
    assert (red == np.asarray(image)[..., 0]).all()
    opaque = pixels.mask_of(Mask("a", "alpha"), lambda name: noisy(16, 16))
    assert (opaque.size, opaque.getextrema()) == ((64, 64), (0, 0))


def test_a_mask_of_latents() -> None:
    image, mask = noisy(68, 43), noisy(50, 30, 1)
    begun = Begun(pixels=Pixels("a"), mask=Mask("m", "red"))
    opened = {"a": image, "m": Image.merge("RGB", (mask,) * 3)}
    picture, found = drawn_over(begun, opened.__getitem__)
    assert picture == image.crop((2, 1, 66, 41))
    assert found is not None
    assert found.size == (64, 40)
    wanted = interpolate(as_tensor(mask), size=(5, 8), mode="bilinear")
    blocks = interpolate(as_tensor(found), size=(5, 8), mode="area")
    assert float((blocks - wanted).abs().max()) < 1.5 / 255


@pytest.mark.parametrize("grown", [0, 1, 5, 6, 64])
def test_hidden_under_a_grown_mask(grown: int) -> None:
    levels = np.zeros((48, 64), np.uint8)
    levels[20:28, 30:33] = 255
    image, mask = noisy(64, 48), Image.fromarray(levels)
    opened = {"a": image, "m": Image.merge("RGB", (mask,) * 3)}
    begun = Begun(pixels=Pixels("a"), mask=Mask("m", "red"), grown=grown)
    picture, found = drawn_over(begun, opened.__getitem__)
    assert found is not None
    given = as_tensor(mask).round()
    wanted = given
    if grown:
        kernel = torch.ones((1, 1, grown, grown))
        padding = math.ceil((grown - 1) / 2)
        wanted = torch.clamp(conv2d(given, kernel, padding=padding), 0, 1)[:, :, :48, :64]
    wanted = interpolate(wanted.round(), size=(6, 8), mode="bilinear")
    blocks = interpolate(as_tensor(found), size=(6, 8), mode="area")
    assert float((blocks - wanted).abs().max()) < 1.5 / 255
    grey = (as_tensor(image) - 0.5) * (1 - given) + 0.5
    assert float((as_tensor(picture) - grey).abs().max()) < 1.5 / 255


def test_a_picture_smaller_than_a_latent() -> None:
    with pytest.raises(RequestError, match="too small"):
        drawn_over(Begun(pixels=Pixels("a")), lambda name: noisy(7, 64))
