"""Folders of pictures: both usual forms of captions, and everything that can be wrong in them."""

import json
import os
import struct
import time
import zlib
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


def a_pipe(folder: Path) -> None:
    (folder / "a.png").unlink()
    os.mkfifo(folder / "a.png")


def a_pipe_of_captions(folder: Path) -> None:
    (folder / "a.txt").unlink()
    os.mkfifo(folder / "a.txt")


def a_book(folder: Path) -> None:
    (folder / "a.txt").write_text("word " * 1_000_000, encoding="utf-8")


def a_long_caption(folder: Path) -> None:
    (folder / "a.txt").write_text("word " * 4_000, encoding="utf-8")


def a_thread(folder: Path) -> None:
    chunk = struct.pack(">IIBBBBB", 1, 60_000_000, 8, 2, 0, 0, 0)
    head = b"IHDR" + chunk
    data = struct.pack(">I", len(chunk)) + head + struct.pack(">I", zlib.crc32(head))
    (folder / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + data + b"\0\0\0\0IDAT" + b"5\xafW\x1e")


def a_strip(folder: Path) -> None:
    picture(folder / "a.png", (2100, 100))


def a_loop(folder: Path) -> None:
    (folder / "a.png").unlink()
    (folder / "a.png").symlink_to(folder / "a.png")


def a_program(folder: Path) -> None:
    (folder / "a.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage")


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (bad_caption, "a.txt' is not UTF-8"),
        (no_caption, "has no 'a.txt' beside it"),
        (no_picture, "a.png' is not a PNG, JPEG, WebP or BMP picture"),
        (cut_short, "a.png' is a broken picture"),
        (enormous, "a.png' has 40000x40000 pixels; make it smaller: at most 64 million"),
        (a_pipe, "a.png' is a pipe or a device"),
        (a_pipe_of_captions, "a.txt' is a pipe or a device"),
        (a_book, "a.txt' has 5000000 bytes; at most 40000 are read"),
        (a_long_caption, "a.txt' has a caption of 20000 characters"),
        (a_thread, "a.png' has 1x60000000 pixels; make it smaller"),
        (a_strip, "a.png' has a side more than 20 times as long as the other"),
        (a_loop, "a.png' cannot be read: Too many levels"),
        (a_program, "a.png' is not a PNG, JPEG, WebP or BMP picture"),
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


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[" * 100_000,
        '{"a":' * 100_000,
        '{"file_name": 1, "text": "x"}',
        '{"file_name": "a.png", "text": {}}',
        "1" * 5000,
        '{"file_name": "a.png"}',
        "3",
        '{"text": "x"}',
    ],
)
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


def index(folder: Path, *lines: object) -> None:
    text = "\n".join(json.dumps(line) for line in lines)
    (folder / "metadata.jsonl").write_text(text, encoding="utf-8")


@pytest.mark.parametrize("name", ["a\0b", "x" * 5000, "", ".", "loop", "nested/" * 3000])
def test_a_name_of_no_file_is_one_line(
    good: Path, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    (good / "loop").symlink_to(good / "loop")
    index(good, {"file_name": name, "text": "x"}, {"file_name": "b.png", "text": "bee"})
    assert [example.text for example in PictureFolder(good, 16).examples] == ["bee"]
    (line,) = capfd.readouterr().err.splitlines()
    assert len(line) < 400


def test_a_picture_has_one_line(good: Path, capfd: pytest.CaptureFixture[str]) -> None:
    began = time.monotonic()
    index(good, *({"file_name": "a.png", "text": f"x {i}"} for i in range(20_000)))
    assert [example.text for example in PictureFolder(good, 16).examples] == ["x 0"]
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 21
    assert "line 2 names 'a.png' again" in lines[0]
    assert lines[-1] == "skipped: 19979 more"
    assert time.monotonic() - began < 20


def test_an_index_that_cannot_be_read_is_not_passed_by(good: Path) -> None:
    os.mkfifo(good / "metadata.jsonl")
    with pytest.raises(InputError, match=r"metadata\.jsonl' is a pipe or a device"):
        PictureFolder(good, 16)
    (good / "metadata.jsonl").unlink()
    (good / "metadata.jsonl").write_bytes(b"caf\xe9")
    with pytest.raises(InputError, match=r"metadata\.jsonl' is not UTF-8"):
        PictureFolder(good, 16)


def test_marks_and_separators_in_captions_are_no_trouble(good: Path) -> None:
    (good / "a.txt").write_bytes(b"\xef\xbb\xbfa cat\r\n")
    assert PictureFolder(good, 16).examples[0].text == "a cat"
    line = '{"file_name": "a.png", "text": "one\u2028two"}\r\n'
    (good / "metadata.jsonl").write_text(line, encoding="utf-8")
    assert PictureFolder(good, 16).examples[0].text == "one\u2028two"


def test_pictures_of_other_kinds_are_named(good: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for name in ("c.gif", "c.TIFF", "c.heic", "notes.md"):
        (good / name).write_bytes(b"x")
    assert len(PictureFolder(good, 16)) == 2
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 3
    assert all("is no PNG, JPEG, WebP or BMP; convert it" in line for line in lines)


def test_a_long_look_tells_how_far_it_is(
    good: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kakusan.training.folder._LINE_EVERY", -1.0)
    PictureFolder(good, 16)
    assert capfd.readouterr().err.splitlines() == [
        "looked at 1 of 2 pictures",
        "looked at 2 of 2 pictures",
    ]
