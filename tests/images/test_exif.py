"""The comment in EXIF: every way in which tools write it is read right, or said to be none.

The blocks are made by hand: Pillow writes one kind only.
"""

import codecs
import io
import itertools
import random
import struct
from pathlib import Path

import pytest
from PIL import Image

from kakusan.images import read_record
from kakusan.images.exif import comment_text, tag_values

TEXT = "猫, café, a cat\nNegative prompt: 犬\nSteps: 20, Sampler: Euler a, Seed: 5, Size: 24x16"
PLAIN = "a cat\nSteps: 20, Sampler: Euler a, Seed: 5, Size: 24x16"
UNDEFINED, ASCII, LONG = 7, 2, 4


def block(comment: bytes, *, order: str = ">", where: str = "exif", kind: int = UNDEFINED) -> bytes:
    """A TIFF block with one comment, in its Exif IFD or in IFD0, after a tag of no interest."""

    def entry(tag: int, kind: int, count: int, value: int) -> bytes:
        return struct.pack(f"{order}HHII", tag, kind, count, value)

    head = (b"MM\0*" if order == ">" else b"II*\0") + struct.pack(f"{order}I", 8)
    comment_at = 8 + 2 + 2 * 12 + 4 + 2 + 12 + 4
    said = entry(0x9286, kind, len(comment), comment_at)
    first = said if where == "ifd0" else entry(0x8769, LONG, 1, 8 + 2 + 2 * 12 + 4)
    ifd0 = struct.pack(f"{order}H", 2) + entry(0x010F, LONG, 1, 7) + first + b"\0" * 4
    other = said if where == "exif" else entry(0xA001, LONG, 1, 1)
    inner = struct.pack(f"{order}H", 1) + other + b"\0" * 4
    return head + ifd0 + inner + comment


def saved(path: Path, exif: bytes) -> Path:
    picture = Image.new("RGB", (24, 16), "teal")
    buffer = io.BytesIO()
    if path.suffix == ".jpg":
        picture.save(buffer, "JPEG")
        data = b"Exif\0\0" + exif
        segment = b"\xff\xe1" + struct.pack(">H", len(data) + 2) + data
        path.write_bytes(buffer.getvalue()[:2] + segment + buffer.getvalue()[2:])
    else:
        picture.save(path, exif=exif)
    return path


COMMENTS = {
    "piexif": b"UNICODE\0" + TEXT.encode("utf-16-be"),
    "little": b"UNICODE\0" + TEXT.encode("utf-16-le"),
    "big with a mark": b"UNICODE\0" + codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"),
    "little with a mark": b"UNICODE\0" + codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le"),
    "UTF-8 called UNICODE": b"UNICODE\0" + TEXT.encode(),
    "UTF-8 with a mark": b"UNICODE\0" + codecs.BOM_UTF8 + TEXT.encode(),
    "UTF-8 called ASCII": b"ASCII\0\0\0" + TEXT.encode(),
    "UTF-16 called ASCII": b"ASCII\0\0\0" + TEXT.encode("utf-16-le"),
    "JIS": b"JIS\0\0\0\0\0" + TEXT.replace("é", "e").encode("iso2022_jp"),
    "UTF-8 called JIS": b"JIS\0\0\0\0\0" + TEXT.encode(),
    "undefined": b"\0" * 8 + TEXT.encode(),
    "undefined, big": b"\0" * 8 + TEXT.encode("utf-16-be"),
    "undefined, little": b"\0" * 8 + TEXT.encode("utf-16-le"),
    "bare": TEXT.encode(),
    "bare with a mark": codecs.BOM_UTF8 + TEXT.encode(),
    "bare, big": TEXT.encode("utf-16-be"),
    "bare, little with a mark": codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le"),
    "lower case": b"Unicode\0" + TEXT.encode("utf-16-be"),
    "padded with spaces": b"ASCII   " + TEXT.encode(),
    "ending in NULs": b"UNICODE\0" + TEXT.encode("utf-16-le") + b"\0\0\0\0",
    "ending in one NUL": b"ASCII\0\0\0" + TEXT.encode() + b"\0",
    "one NUL after UTF-16": b"UNICODE\0" + TEXT.encode("utf-16-be") + b"\0",
    "Windows line ends": b"UNICODE\0" + TEXT.replace("\n", "\r\n").encode("utf-16-le"),
}


@pytest.mark.parametrize("comment", COMMENTS.values(), ids=COMMENTS)
@pytest.mark.parametrize("suffix", [".jpg", ".webp", ".png"])
def test_every_way_to_write_the_text_is_read(comment: bytes, suffix: str, tmp_path: Path) -> None:
    for order, where, kind in itertools.product("<>", ("exif", "ifd0"), (UNDEFINED, ASCII)):
        exif = block(comment, order=order, where=where, kind=kind)
        told = read_record(saved(tmp_path / f"a{suffix}", exif))
        assert told is not None
        if b"JIS" not in comment[:3] or b"\x1b" not in comment:
            assert told["prompt"] == "猫, café, a cat"
        else:
            assert told["prompt"] == "猫, cafe, a cat"
        assert told["negative_prompt"] == "犬"
        assert (told["seed"], told["width"]) == (5, 24)


@pytest.mark.parametrize("prompt", ["a cat", "猫", "кот", "قطة", "🐱👩‍👧", "café", "고양이", ""])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("prefix", [b"", b"\0" * 8, b"UNICODE\0", b"ASCII\0\0\0"])
def test_any_language_is_read(prompt: str, encoding: str, prefix: bytes) -> None:
    text = f"{prompt}\nSteps: 20, Seed: 5"
    assert comment_text(prefix + text.encode(encoding)) == text


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_a_character_that_is_cut_at_the_end_is_left_out(cut: int) -> None:
    whole = f"{PLAIN}, Model: 🐱"
    for encoding in ("utf-8", "utf-16-be", "utf-16-le"):
        text = comment_text(b"UNICODE\0" + whole.encode(encoding)[:-cut])
        assert text is not None
        assert text.rstrip("\ud83d") == f"{PLAIN}, Model: "


NOTHING = {
    "a camera's": b"ASCII\0\0\0" + b"Taken in Paris, with a flash",
    "spaces": b"ASCII\0\0\0" + b" " * 100,
    "NULs": b"\0" * 300,
    "empty": b"UNICODE\0",
    "short": b"UNI",
    "another encoding": "猫\nSteps: 20, Seed: 5, Sampler: x, Size: 8x8".encode("shift_jis"),
    "noise": b"UNICODE\0" + random.Random(0).randbytes(400),
    "JSON": b"UNICODE\0" + '{"params": {"prompt": "cat", "seed": 5}}'.encode("utf-16-be"),
}


@pytest.mark.parametrize("comment", NOTHING.values(), ids=NOTHING)
def test_what_is_no_such_text_is_no_record(comment: bytes, tmp_path: Path) -> None:
    assert read_record(saved(tmp_path / "a.jpg", block(comment))) is None


def test_latin_1_is_read_where_it_is_called_ascii() -> None:
    text = "café\nSteps: 20, Seed: 5"
    assert comment_text(b"ASCII\0\0\0" + text.encode("latin-1")) == text


@pytest.mark.parametrize("key", ["parameters"])
def test_other_programs_json_is_no_prompt(key: str, tmp_path: Path) -> None:
    from PIL import PngImagePlugin

    info = PngImagePlugin.PngInfo()
    info.add_text(key, '{"image_params": {"prompt": "a cat", "seed": 5}}')
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png", pnginfo=info)
    assert read_record(tmp_path / "a.png") is None


def test_a_broken_block_is_read_as_far_as_it_goes() -> None:
    whole = block(COMMENTS["piexif"])
    chance = random.Random(0)
    assert tag_values(b"Exif\0\0" + whole)[0x9286] == [COMMENTS["piexif"]]
    for length in range(len(whole)):
        tag_values(whole[:length])
    for _ in range(2000):
        data = bytearray(whole)
        for _ in range(chance.choice([1, 2, 8])):
            data[chance.randrange(60)] = chance.randrange(256)
        for values in tag_values(bytes(data)).values():
            for value in values:
                comment_text(value)
