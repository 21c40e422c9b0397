"""What a request says of masks: read, checked, recorded."""

from typing import Any

import pytest

from kakusan.errors import RequestError
from kakusan.request import PictureFile, Request

MASK = {"sha256": "0" * 64, "width": 64, "height": 48, "name": "m.png"}


def test_a_plain_request_says_nothing_of_masks() -> None:
    record = Request.of("a cat").to_record()
    assert not {*record} & {*Request.only_masks()}


def test_a_record_and_back() -> None:
    given: dict[str, Any] = {"mask": MASK, "mask_blur": 4, "masked_content": "fill"}
    given |= {"only_masked": 32, "outside": "exact", "soft_mask": True}
    given |= {"outpaint": {"left": 64, "up": 0, "feather": 0}}
    request = Request.of("a cat", **given)
    assert request.mask == (PictureFile(**MASK),)
    assert request.outpaint == {"left": 64, "feather": 0}
    record = request.to_record()
    assert record["mask"] == MASK
    assert Request.from_record(record) == request


def test_each_picture_has_its_mask() -> None:
    masks = [MASK, MASK | {"name": "other.png"}]
    request = Request.of(["a cat", "a dog"], mask=masks)
    assert request.picture(1).mask == (PictureFile(**masks[1]),)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"masked_content": "fil"},
            "masked_content must be one of original, fill, noise",
        ),
        ({"mask_blur": -1}, "mask_blur must be a finite number from 0 to 256"),
        ({"mask_blur": float("nan")}, "mask_blur"),
        ({"only_masked": 1.5}, "only_masked must be a whole number"),
        ({"outside": "black"}, "outside must be one of exact, decoded, not 'black'"),
        ({"soft_mask": "yes"}, "soft_mask must be true or false"),
        ({"outpaint": {"left": -8}}, "outpaint must be a whole number from 0"),
        ({"outpaint": {"top": 8}}, "left, right, up, down, and feather; it names 'top'"),
        ({"outpaint": {"feather": 8}}, "none of the sides is above 0"),
        ({"outpaint": 64}, "left, right, up, down"),
        ({"mask": "m.png"}, "what a request says of mask must be"),
    ],
)
def test_what_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(RequestError, match=said) as caught:
        Request.of("a cat", **given)
    assert "\n" not in str(caught.value)
