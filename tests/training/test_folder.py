"""Folders of pictures: both usual forms of captions, and everything that can be wrong in them."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kakusan.errors import InputError
from kakusan.training.folder import PictureFolder

RNG = np.random.default_rng(0)


def picture(path: Path, size: tuple[int, int] = (40, 20)) -> Path:
    values = np.zeros((*size[::-1], 3), np.uint8)
    values[:, : size[0] // 2] = 255  # white on the left
    Image.fromarray(values).save(path)
    return path


@pytest.fixture
def good(tmp_path: Path) -> Path:
    for name in ("a", "b"):
        picture(tmp_path / f"{name}.png")
        (tmp_path / f"{name}.txt").write_text(f"picture {name} 猫\n", encoding="utf-8")
    return tmp_path


def test_captions_beside_the_pictures(good: Path) -> None:
    found = PictureFolder(good, 16)
    assert [example.text for example in found.examples] == ["picture a 猫", "picture b 猫"]
    assert found.draw(RNG, 5).shape == (5, 16, 16, 3)


def test_captions_in_one_file(good: Path) -> None:
    lines = [{"file_name": "b.png", "text": "bee"}, {"file_name": "a.png", "text": "ay", "x": 1}]
    index = "\n".join(json.dumps(line) for line in lines) + "\n\n"
    (good / "metadata.jsonl").write_text(index, encoding="utf-8")
    found = PictureFolder(good, 16)
    assert [example.text for example in found.examples] == ["bee", "ay"]
    assert found.caption(1, RNG) == "ay"


def test_squares_are_cropped_from_anywhere_and_never_stretched(good: Path) -> None:
    found = PictureFolder(good, 20, flip=False)
    means = [found.square(0, np.random.default_rng(seed)).mean() for seed in range(30)]
    assert min(means) < 60
    assert max(means) > 200


def test_pictures_are_mirrored_only_where_the_caption_allows_it(tmp_path: Path) -> None:
    picture(tmp_path / "a.png", (20, 20))

    def sides(text: str) -> set[bool]:
        (tmp_path / "a.txt").write_text(text, encoding="utf-8")
        found = PictureFolder(tmp_path, 20)
        squares = [found.square(0, np.random.default_rng(seed)) for seed in range(20)]
        return {bool(square[:, :5].mean() > 128) for square in squares}

    assert sides("half white") == {True, False}
    assert sides("white on the left") == {True}
    assert sides("左が白い") == {True}


def bad_caption(folder: Path) -> None:
    (folder / "a.txt").write_bytes(b"caf\xe9")


def no_caption(folder: Path) -> None:
    (folder / "a.txt").unlink()


def no_picture(folder: Path) -> None:
    (folder / "a.png").write_bytes(b"not a picture")


def cut_short(folder: Path) -> None:
    Image.fromarray(RNG.integers(0, 255, (64, 64, 3)).astype(np.uint8)).save(folder / "a.png")
    whole = (folder / "a.png").read_bytes()
    (folder / "a.png").write_bytes(whole[: len(whole) // 2])


def enormous(folder: Path) -> None:
    Image.new("1", (40_000, 40_000)).save(folder / "a.png")


def quite_large(folder: Path) -> None:
    Image.new("1", (10_000, 10_000)).save(folder / "a.png")


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (bad_caption, "a.txt is not UTF-8"),
        (no_caption, "has no a.txt beside it"),
        (no_picture, "a.png' is not a PNG, JPEG, WebP or BMP picture"),
        (cut_short, "a.png' is a broken picture"),
        (enormous, "a.png' has 40000x40000 pixels; make it smaller: at most 64 million"),
        (quite_large, "a.png' has 10000x10000 pixels; make it smaller: at most 64 million"),
    ],
)
def test_what_cannot_be_used_is_named_and_skipped_or_an_error(
    good: Path, capfd: pytest.CaptureFixture[str], harm: object, said: str
) -> None:
    assert callable(harm)
    harm(good)
    assert [example.path.name for example in PictureFolder(good, 16).examples] == ["b.png"]
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("skipped: ")
    assert said in line
    with pytest.raises(InputError, match=said.replace(".", r"\.")):
        PictureFolder(good, 16, strict=True)


@pytest.mark.parametrize("line", ["{", '{"file_name": "a.png"}', "3", '{"text": "x"}'])
def test_a_broken_line_is_named(good: Path, capfd: pytest.CaptureFixture[str], line: str) -> None:
    text = line + "\n" + json.dumps({"file_name": "b.png", "text": "bee"})
    (good / "metadata.jsonl").write_text(text, encoding="utf-8")
    assert len(PictureFolder(good, 16)) == 1
    assert "line 1 has no file_name and text" in capfd.readouterr().err


def test_files_outside_of_the_folder_are_refused(
    good: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    inner = good / "inner"
    inner.mkdir()
    line = json.dumps({"file_name": "../a.png", "text": "x"})
    (inner / "metadata.jsonl").write_text(line, encoding="utf-8")
    with pytest.raises(InputError, match="no picture with a caption"):
        PictureFolder(inner, 16)
    assert "outside of its folder" in capfd.readouterr().err


def test_no_pictures_and_no_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no picture with a caption: put a \.txt beside each"):
        PictureFolder(tmp_path, 16)
    with pytest.raises(InputError, match="is no folder"):
        PictureFolder(tmp_path / "nowhere", 16)
