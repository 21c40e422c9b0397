"""What a request says of the pictures that steer it."""

import json
from typing import Any

import pytest

from kakusan.errors import InputError
from kakusan.request import PictureFile, Request

HASH = "0123456789abcdef" * 4
TOLD = {"sha256": HASH, "width": 640, "height": 480, "name": "cat.png"}


def test_a_plain_request_says_nothing_of_pictures() -> None:
    assert not set(Request.only_steered()) & set(Request.of("a cat").to_record())


def test_a_record_is_read_back() -> None:
    request = Request.of("a cat", image=TOLD, strength=0.5, resize_mode="fill")
    record = json.loads(json.dumps(request.to_record()))
    assert record["image"] == TOLD
    assert Request.from_record(record) == request
    assert request.image == (PictureFile(HASH, 640, 480, "cat.png"),)
    nameless = Request.of("a cat", image={k: v for k, v in TOLD.items() if k != "name"})
    assert "name" not in nameless.to_record()["image"]


def test_each_picture_tells_of_its_own() -> None:
    other = TOLD | {"sha256": HASH[::-1]}
    request = Request.of(["a", "b"], image=[TOLD, other], num_images_per_prompt=2, seed=1)
    record = request.to_record()
    assert record["image"] == [TOLD, other]
    hashes = [request.picture(index).to_record()["image"]["sha256"] for index in range(4)]
    assert hashes == [HASH, HASH[::-1]] * 2


@pytest.mark.parametrize(
    "changes",
    [
        {"image": "cat.png"},
        {"image": []},
        {"image": [TOLD, "x"]},
        {"image": {}},
        {"image": TOLD | {"sha256": "x"}},
        {"image": TOLD | {"sha256": None}},
        {"image": TOLD | {"width": 0}},
        {"image": TOLD | {"width": None}},
        {"image": TOLD | {"height": 10**9}},
        {"image": TOLD | {"name": ""}},
        {"image": TOLD | {"name": "x" * 5000}},
        {"image": TOLD | {"more": 1}},
        {"strength": -0.1},
        {"strength": 1.1},
        {"strength": float("nan")},
        {"strength": "x"},
        {"resize_mode": "x"},
        {"resize_mode": 1},
    ],
)
def test_anything_else_is_one_line(changes: dict[str, Any]) -> None:
    with pytest.raises(InputError) as caught:
        Request.of("a cat", **changes)
    (name,) = changes
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300
