"""Pictures made larger without a model."""

from typing import Any

import pytest
from PIL import Image

from kakusan.server.dialects.a1111.errors import ApiError
from kakusan.server.dialects.a1111.extras import enlarged, enlarging

PICTURE = Image.linear_gradient("L").resize((40, 20)).convert("RGB")


@pytest.mark.parametrize(
    ("sent", "size"),
    [
        ({}, (40, 20)),
        ({"upscaler_1": "Lanczos"}, (80, 40)),
        ({"upscaler_1": "nearest", "upscaling_resize": 1.5}, (60, 30)),
        ({"upscaler_1": "Lanczos", "resize_mode": 1}, (512, 512)),
        ({"upscaler_1": "Lanczos", "resize_mode": 1, "upscaling_crop": False}, (512, 256)),
        ({"upscaler_2": "Lanczos", "extras_upscaler_2_visibility": 0.5}, (40, 20)),
        ({"show_extras_results": None, "upscaling_resize": None}, (40, 20)),
    ],
)
def test_sizes(sent: dict[str, Any], size: tuple[int, int]) -> None:
    assert enlarged(PICTURE, enlarging(sent)).size == size


def test_two_upscalers_are_mixed() -> None:
    def by(**sent: Any) -> Image.Image:
        return enlarged(PICTURE, enlarging(sent))

    one, other = by(upscaler_1="Lanczos"), by(upscaler_1="Nearest")
    both = {"upscaler_1": "Lanczos", "upscaler_2": "Nearest"}
    assert by(**both, extras_upscaler_2_visibility=1).tobytes() == other.tobytes()
    assert by(**both).tobytes() == one.tobytes()


@pytest.mark.parametrize(
    "sent",
    [
        {"upscaler_1": "R-ESRGAN 4x+"},
        {"gfpgan_visibility": 1},
        {"codeformer_visibility": 0.5},
        {"resize_mode": 2},
        {"upscaling_resize": 100},
        {"upscaling_resize": "large"},
        {"upscaling_resize_w": 10**9, "resize_mode": 1},
        {"extras_upscaler_2_visibility": 2},
    ],
)
def test_what_is_not_there(sent: dict[str, Any]) -> None:
    with pytest.raises(ApiError) as caught:
        enlarging(sent)
    assert caught.value.status == 422


def test_too_large() -> None:
    how = enlarging({"upscaler_1": "Lanczos", "upscaling_resize": 8})
    with pytest.raises(ApiError, match="too large"):
        enlarged(Image.new("RGB", (2000, 10)), how)
