"""Pictures in JSON."""

import base64

import pytest

from kakusan.server.dialects.a1111.errors import ApiError
from kakusan.server.dialects.a1111.pictures import picture_bytes, picture_text

DATA = bytes(range(256)) * 3
PLAIN = base64.b64encode(DATA).decode()


@pytest.mark.parametrize(
    "sent",
    [
        PLAIN,
        f"data:image/png;base64,{PLAIN}",
        f"data:image/jpeg;charset=utf-8;base64,{PLAIN}",
        f"data:;base64,{PLAIN}",
        PLAIN.rstrip("="),
        "\n".join(PLAIN[i : i + 76] for i in range(0, len(PLAIN), 76)),
        base64.urlsafe_b64encode(DATA).decode(),
    ],
)
def test_with_and_without_a_head(sent: str) -> None:
    assert picture_bytes("mask", sent) == DATA


@pytest.mark.parametrize("sent", ["", "data:image/png;base64,", "not base64!", "\u00e9", 5, None])
def test_no_base64(sent: object) -> None:
    with pytest.raises(ApiError, match=r"^mask: Invalid encoded image") as caught:
        picture_bytes("mask", sent)
    assert (caught.value.status, caught.value.detail) == (422, "Invalid encoded image")


@pytest.mark.parametrize("sent", ["http://x/y.png", "HTTPS://x", " file:///etc/passwd"])
def test_nothing_is_fetched(sent: str) -> None:
    with pytest.raises(ApiError, match="nothing is fetched"):
        picture_bytes("mask", sent)


def test_answers_have_no_head() -> None:
    assert picture_text(DATA) == PLAIN
