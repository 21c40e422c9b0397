"""Transparent is drawn anew: the opposite of white is drawn anew."""

import io

import numpy as np
import pytest
from PIL import Image

from kakusan.server.dialects.openai.failures import Refusal
from kakusan.server.dialects.openai.masks import white_where_transparent


def levels(mask: Image.Image) -> np.ndarray:
    found = Image.open(io.BytesIO(white_where_transparent(mask, mask.size)))
    assert found.mode == "L"
    return np.asarray(found)


def test_transparent_becomes_white() -> None:
    mask = Image.new("RGBA", (8, 8), (0, 0, 0, 255))
    mask.paste((255, 255, 255, 0), (2, 3, 6, 7))
    found = levels(mask)
    assert (found[3:7, 2:6] == 255).all()
    assert found.sum() == 255 * 16


def test_transparency_of_a_palette_counts() -> None:
    mask = Image.new("P", (8, 8), 1)
    mask.paste(0, (0, 0, 8, 2))
    mask.info["transparency"] = 0
    found = levels(mask)
    assert (found[:2] == 255).all()
    assert (found[2:] == 0).all()


@pytest.mark.parametrize(
    ("mask", "said"),
    [
        (Image.new("RGB", (8, 8)), "no transparency"),
        (Image.new("L", (8, 8)), "no transparency"),
        (Image.new("RGBA", (8, 8), (0, 0, 0, 255)), "transparent nowhere"),
        (Image.new("RGBA", (8, 9), (0, 0, 0, 0)), "8x9 pixels, but image 8x8"),
    ],
)
def test_a_mask_that_says_nothing_is_refused(mask: Image.Image, said: str) -> None:
    with pytest.raises(Refusal, match=said) as refused:
        white_where_transparent(mask, (8, 8))
    assert refused.value.param == "mask"
