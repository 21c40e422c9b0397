"""From tensors to pictures, as the reference converts them."""

import numpy as np
import torch
from diffusers.image_processor import VaeImageProcessor

from kakusan.images import to_numpy, to_pil


def pictures() -> torch.Tensor:
    """Values inside and outside [-1, 1], every level and the halves between levels among them."""
    halves = torch.arange(-8, 520) / 255 - 1
    noise = torch.randn(528 * 7, generator=torch.Generator().manual_seed(0)) * 0.8
    return torch.cat([halves, noise]).reshape(2, 3, 16, 44)


def test_arrays_equal_the_references() -> None:
    expected = VaeImageProcessor().postprocess(pictures(), output_type="np")
    np.testing.assert_array_equal(to_numpy(pictures()), expected)
    assert to_numpy(pictures()).dtype == np.float32


def test_pictures_equal_the_references() -> None:
    expected = VaeImageProcessor().postprocess(pictures(), output_type="pil")
    ours = to_pil(pictures())
    assert [picture.mode for picture in ours] == ["RGB", "RGB"]
    for picture, reference in zip(ours, expected, strict=True):
        assert picture.size == (44, 16)
        assert picture.tobytes() == reference.tobytes()


def test_levels_are_cut_off_as_automatic1111_does() -> None:
    given = pictures()
    shown = 255.0 * ((given + 1.0) / 2.0).clamp(0, 1).permute(0, 2, 3, 1).numpy()
    for picture, levels in zip(to_pil(given, truncated=True), shown, strict=True):
        np.testing.assert_array_equal(np.asarray(picture), levels.astype(np.uint8))


def test_half_precision_gives_every_level_of_its_own() -> None:
    (picture,) = to_pil(torch.tensor([-1.0, 0.0, 1.0]).bfloat16().reshape(1, 3, 1, 1))
    assert picture.getpixel((0, 0)) == (0, 128, 255)
