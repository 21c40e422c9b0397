"""How people type networks that steer."""

from pathlib import Path

import pytest

from kakusan.errors import ArgumentError
from kakusan.request import ControlAsked
from kakusan.request.typed_controls import typed_control


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("a.png", "a@b.png", "a@b@c.png"):
        (tmp_path / name).touch()
    for name in ("net", "net@2", "net:0.5"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "picture", "asked"),
    [
        ("canny:a.png@net", "a.png", ControlAsked(kind="canny", model="net")),
        ("canny=50,150:a.png@net", "a.png", ControlAsked(kind="canny=50,150", model="net")),
        ("raw:a.png@net:0.8", "a.png", ControlAsked(kind="none", model="net", scale=0.8)),
        (
            "Tile:a@b.png@net@2:.5:0.1-0.6:prompt",
            "a@b.png",
            ControlAsked(kind="tile", model="net@2", scale=0.5, start=0.1, end=0.6, mode="prompt"),
        ),
        ("none:a@b@c.png@net:fill", "a@b@c.png", ControlAsked(kind="none", model="net")),
        ("canny:a.png@net:0.5", "a.png", ControlAsked(kind="canny", model="net:0.5")),
        ("canny:a.png@net:0.5:2", "a.png", ControlAsked(kind="canny", model="net:0.5", scale=2.0)),
        (
            r"canny:C:\x\p.png@D:\nets\canny.safetensors:0.8:guess:type=3",
            r"C:\x\p.png",
            ControlAsked(
                kind="canny", model=r"D:\nets\canny.safetensors", scale=0.8, mode="guess", type=3
            ),
        ),
        (
            "canny:p.png@lllyasviel/sd-controlnet-canny:-1",
            "p.png",
            ControlAsked(kind="canny", model="lllyasviel/sd-controlnet-canny", scale=-1.0),
        ),
    ],
)
def test_what_is_typed(text: str, picture: str, asked: ControlAsked) -> None:
    found = typed_control(text)
    assert found.picture == picture
    assert found.asked._replace(resize_mode="crop") == asked
    assert found.asked.resize_mode == ("fill" if text.endswith("fill") else "crop")
    assert typed_control(text, "control").asked.mode == (
        "control" if asked.mode == "balanced" else asked.mode
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a.png", "controls must be KIND:PICTURE@MODEL[:SCALE[:START-END[:MODE]]], such as canny:"),
        ("canny:a.png", "controls must be KIND:PICTURE@MODEL"),
        ("canny:@net", "controls must be KIND:PICTURE@MODEL"),
        ("canny:a.png@", "controls must be KIND:PICTURE@MODEL"),
        ("cany:a.png@net", "there is no preprocessor 'cany'; did you mean canny?"),
        (r"C:\a.png@net", "there is no preprocessor 'C'"),
        ("canny:a.png@net:nan", "the scale of controls must be a number from -100 to 100, not nan"),
        ("canny:a.png@net:101", "the scale of controls"),
        ("canny:a.png@net:1:0.6-0.2", "the start of controls must be below the end, not 0.6-0.2"),
        ("canny:a.png@net:1:0.5-0.5", "the start of controls must be below the end"),
        ("canny:a.png@net:1:0-2", "are parts of the steps from 0 to 1, not 0-2"),
        ("canny:a.png@net:1:nan-1", "are parts of the steps from 0 to 1"),
        ("canny:a.png@net:strong", "'strong' is no scale, no START-END, none of balanced, guess"),
    ],
)
def test_what_cannot_be(text: str, says: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        typed_control(text)
    assert says in str(caught.value)
