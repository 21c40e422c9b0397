"""Pictures of another shape, by AUTOMATIC1111's three ways."""

import numpy as np
import pytest
from PIL import Image

from kakusan.errors import InputError
from kakusan.images.resizing import resized

RNG = np.random.default_rng(3)


def picture(width: int, height: int) -> Image.Image:
    return Image.fromarray(RNG.integers(0, 256, (height, width, 3), np.uint8))


@pytest.mark.parametrize("size", [(64, 64), (100, 30), (31, 90), (7, 8), (640, 480)])
@pytest.mark.parametrize("target", [(64, 64), (48, 80), (80, 48)])
@pytest.mark.parametrize("mode", ["stretch", "crop", "fill"])
def test_every_size_comes_to_every_other(
    size: tuple[int, int], target: tuple[int, int], mode: str
) -> None:
    image = Image.new("RGB", size, (200, 100, 50))  # no edge of another colour may come in
    found = np.asarray(resized(image, *target, mode))
    assert found.shape == (target[1], target[0], 3)
    assert (found == (200, 100, 50)).all()


def test_stretch_is_lanczos() -> None:
    image = picture(50, 40)
    expected = image.resize((64, 72), Image.Resampling.LANCZOS)
    assert resized(image, 64, 72, "stretch").tobytes() == expected.tobytes()


def test_crop_cuts_both_ends_alike() -> None:
    image = picture(200, 100)
    whole = np.asarray(image.resize((128, 64), Image.Resampling.LANCZOS))
    assert np.array_equal(np.asarray(resized(image, 64, 64, "crop")), whole[:, 32:96])
    tall = picture(100, 200)
    whole = np.asarray(tall.resize((64, 128), Image.Resampling.LANCZOS))
    assert np.array_equal(np.asarray(resized(tall, 64, 64, "crop")), whole[32:96])


def test_fill_shows_all_of_it_and_draws_its_edges_out() -> None:
    image = picture(200, 100)
    found = np.asarray(resized(image, 64, 64, "fill"))
    whole = np.asarray(image.resize((64, 32), Image.Resampling.LANCZOS))
    assert np.array_equal(found[16:48], whole)
    assert (found[:16] == found[0]).all()
    assert (found[48:] == found[63]).all()
    assert np.abs(found[0].astype(int) - whole[0]).mean() < 40


def test_a_size_of_its_own_changes_nothing() -> None:
    image = picture(64, 48)
    assert resized(image, 64, 48, "fill") is image


def test_a_shape_far_from_the_sizes() -> None:
    with pytest.raises(InputError, match="40000x10 pixels, which is no shape to cut 4096x4096"):
        resized(picture(40_000, 10), 4096, 4096, "crop")
    assert resized(picture(40_000, 10), 64, 64, "fill").size == (64, 64)
