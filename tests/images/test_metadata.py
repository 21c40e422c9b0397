"""Pictures in files: the record goes through every format, and broken files are one line."""

import contextlib
import io
import json
import random
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image, PngImagePlugin

from kakusan.errors import InputError, OutputError
from kakusan.images import (
    parameters_text,
    read_parameters,
    read_picture,
    read_record,
    save_image,
)

SUFFIXES = [".png", ".jpg", ".jpeg", ".webp", ".PNG"]
GREEK_AND_EMOJI = "".join(chr(random.Random(0).choice([0x3B1, 0x1F431])) for _ in range(25_000))
PROMPTS = {
    "plain": "a cat on a red background",
    "empty": "",
    "japanese": "赤い背景の猫、葛飾北斎風",
    "emoji": "🐱👩‍👩‍👧‍👦🏳️‍🌈 e\u0301",
    "lines": "one\ntwo\r\nthree\r\u2028four\n",
    "control": "".join(map(chr, range(32))) + "\x7f\x85\0",
    "surrogates": "\ud83d cat \udc00\udcff",
    "markup": '"quotes", {braces}: <tags> \\ Negative prompt: x\nSteps: 1, Seed: 2, Size: 3x3',
    "100kB": "a cat " * 17_000,
    "100kB of emoji": GREEK_AND_EMOJI,
    "1MB": "a very long tail " * 60_000,
}


def picture(size: tuple[int, int] = (24, 16)) -> Image.Image:
    gradient = Image.linear_gradient("L").resize(size)
    return Image.merge("RGB", [gradient, gradient.rotate(180), gradient.rotate(90)])


def record(prompt: str) -> dict[str, object]:
    return {
        "kakusan": "0.1.0",
        "model": "builtin",
        "commit": None,
        "prompt": prompt,
        "negative_prompt": prompt[:1000],
        "seed": 2**64 - 1,
        "guidance_scale": 0.1 + 0.2,
        "num_inference_steps": 25,
        "width": 24,
        "height": 16,
        "scheduler": {"_class_name": "PNDMScheduler", "trained_betas": None},
        "notes": [],
    }


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("prompt", PROMPTS.values(), ids=PROMPTS.keys())
def test_any_prompt_goes_through_any_format(suffix: str, prompt: str, tmp_path: Path) -> None:
    path = save_image(picture(), tmp_path / f"cat{suffix}", record(prompt))
    assert read_record(path) == record(prompt)
    assert read_picture(path).size == (24, 16)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
@pytest.mark.parametrize("name", ["plain", "japanese", "emoji", "markup", "surrogates"])
def test_other_tools_text_goes_with_it(suffix: str, name: str, tmp_path: Path) -> None:
    path = save_image(picture(), tmp_path / f"cat{suffix}", record(PROMPTS[name]))
    assert read_parameters(path) == parameters_text(record(PROMPTS[name]))


def test_a_jpeg_leaves_the_text_out_when_only_the_record_fits(tmp_path: Path) -> None:
    long = record("a cat " * 6000)
    path = save_image(picture(), tmp_path / "cat.jpg", long)
    assert read_record(path) == long
    assert read_parameters(path) is None


def test_png_keeps_every_pixel_and_replaces_the_file(tmp_path: Path) -> None:
    path = tmp_path / "cat.png"
    path.write_text("something else")
    save_image(picture(), path, record("a"))
    assert read_picture(path).tobytes() == picture().tobytes()
    assert [entry.name for entry in tmp_path.iterdir()] == ["cat.png"]


@pytest.mark.parametrize("mode", ["RGBA", "L", "P", "CMYK", "1", "I;16"])
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_any_mode_can_be_saved(mode: str, suffix: str, tmp_path: Path) -> None:
    path = save_image(Image.new(mode, (8, 8)), tmp_path / f"cat{suffix}", record("a"))
    assert read_record(path) == record("a")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_without_a_record_there_is_none(suffix: str, tmp_path: Path) -> None:
    path = save_image(picture(), tmp_path / f"cat{suffix}")
    assert read_record(path) is None
    assert read_parameters(path) is None


@pytest.mark.parametrize("name", ["cat.gif", "cat", "cat.png.txt", ".png"])
def test_another_suffix_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"ends in \.png, \.jpg or \.webp"):
        save_image(picture(), tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("suffix", "width"), [(".webp", 16384), (".jpg", 65504)])
def test_a_size_that_the_format_lacks_is_refused(suffix: str, width: int, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="largest side"):
        save_image(Image.new("RGB", (width, 1)), tmp_path / f"cat{suffix}")
    assert not list(tmp_path.iterdir())


def test_a_name_that_the_system_refuses_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot write"):
        save_image(picture(), tmp_path / f"{'x' * 300}.png")
    assert not list(tmp_path.iterdir())


def with_text(path: Path, **texts: str) -> Path:
    info = PngImagePlugin.PngInfo()
    for key, text in texts.items():
        info.add_text(key, text)
    picture().save(path, pnginfo=info)
    return path


def test_the_web_uis_pictures_tell_what_they_can(tmp_path: Path) -> None:
    text = "a cat\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 5, Size: 24x16"
    told = read_record(with_text(tmp_path / "a.png", parameters=text))
    assert told is not None
    assert told["prompt"] == "a cat"
    assert told["seed"] == 5
    assert "kakusan" not in told


def test_the_web_uis_jpegs_are_read(tmp_path: Path) -> None:
    exif = Image.Exif()
    text = "猫\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 5, Size: 24x16"
    exif.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + text.encode("utf-16-be")
    picture().save(tmp_path / "a.jpg", exif=exif)
    told = read_record(tmp_path / "a.jpg")
    assert told is not None
    assert told["prompt"] == "猫"


@pytest.mark.parametrize(
    "text", ["{", "[" * 100_000, '{"kakusan": ' + "9" * 5000 + "}", "\ufffd", "{'kakusan': 1}"]
)
def test_a_broken_record_is_one_line(text: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is broken"):
        read_record(with_text(tmp_path / "a.png", kakusan=text))


def test_a_record_of_no_end_is_not_parsed(tmp_path: Path) -> None:
    text = '{"kakusan": [' + "0.1, " * 2_000_000 + "1]}"
    with pytest.raises(InputError, match="characters; at most 8388608 are read"):
        read_record(with_text(tmp_path / "a.png", kakusan=text))


@pytest.mark.parametrize("text", ["7", "[]", "null", '"x"', "{}"])
def test_json_that_is_not_our_record_is_none(text: str, tmp_path: Path) -> None:
    assert read_record(with_text(tmp_path / "a.png", kakusan=text)) is None


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def bomb(width: int, height: int) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = png_chunk(b"IHDR", head) + png_chunk(b"IDAT", b"") + png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + data


def text_bomb() -> bytes:
    buffer = io.BytesIO()
    picture().save(buffer, "PNG")
    packed = zlib.compress(b"a" * 100_000_000)
    chunk = png_chunk(b"zTXt", b"kakusan\0\0" + packed)
    return buffer.getvalue()[:33] + chunk + buffer.getvalue()[33:]


HOSTILE = {
    "empty": b"",
    "text": b"hello",
    "only a head": b"\x89PNG\r\n\x1a\n",
    "many pixels": bomb(10_000, 10_000),
    "far too many pixels": bomb(2**31 - 1, 2**31 - 1),
    "a text bomb": text_bomb(),
    "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 1 1\n",
    "svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("read", [read_record, read_picture])
def test_hostile_files_are_one_line(data: bytes, read: object, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(data)
    if read is read_record and b"IHDR" in data and b"kakusan" not in data:
        assert read_record(path) is None  # no pixel is decoded, however many there are
        return
    with pytest.raises(InputError, match=r"a\.png") as caught:
        read(path)  # type: ignore[operator]
    assert "\n" not in str(caught.value)


def test_what_is_not_a_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no file"):
        read_record(tmp_path / "none.png")
    with pytest.raises(InputError, match="is a folder"):
        read_record(tmp_path)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_damaged_files_never_raise_anything_else(suffix: str, tmp_path: Path) -> None:
    whole = save_image(picture(), tmp_path / f"a{suffix}", record("a cat")).read_bytes()
    chance = random.Random(suffix)
    path = tmp_path / f"damaged{suffix}"
    for _ in range(300):
        data = bytearray(whole[: chance.choice([len(whole), chance.randrange(len(whole))])])
        for _ in range(chance.choice([0, 1, 4, 32])):
            if data:
                data[chance.randrange(len(data))] = chance.randrange(256)
        path.write_bytes(data)
        for read in (read_record, read_parameters, read_picture):
            with contextlib.suppress(InputError):
                read(path)


def test_the_record_is_plain_json_in_a_text_chunk(tmp_path: Path) -> None:
    path = save_image(picture(), tmp_path / "a.png", record("猫"))
    with Image.open(path) as opened:
        assert json.loads(opened.info["kakusan"]) == record("猫")
        assert opened.info["parameters"] == parameters_text(record("猫"))
