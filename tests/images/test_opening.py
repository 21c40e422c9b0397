"""Pictures from outside: three formats, of a bounded size, and never a file that waits."""

import io
import os
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image, PngImagePlugin

from kakusan.errors import InputError
from kakusan.images import open_picture, read_picture, read_record


def encoded(kind: str, size: tuple[int, int] = (24, 16), **options: object) -> bytes:
    buffer = io.BytesIO()
    gradient = Image.linear_gradient("L").resize(size)
    Image.merge("RGB", [gradient, gradient.rotate(180), gradient.rotate(90)]).save(
        buffer, kind, **options
    )
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_picture_comes_from_a_path_bytes_or_an_open_file(kind: str, tmp_path: Path) -> None:
    data, path = encoded(kind), tmp_path / "cat.of-any-name"
    path.write_bytes(data)
    with path.open("rb") as file:
        pictures = [open_picture(path), open_picture(str(path)), open_picture(data)]
        pictures.append(open_picture(file))
    assert {picture.size for picture in pictures} == {(24, 16)}
    assert len({picture.tobytes() for picture in pictures}) == 1
    assert pictures[0].tobytes() == Image.open(io.BytesIO(data)).tobytes()


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "BMP", "PPM", "TGA", "ICO", "EPS", "PDF", "PCX"])
def test_other_formats_are_refused_under_any_name(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "cat.png"
    path.write_bytes(encoded(kind))
    with pytest.raises(InputError, match=r"cat\.png' is not a PNG, JPEG or WebP picture"):
        open_picture(path)


def test_a_format_that_is_asked_for_is_taken() -> None:
    assert open_picture(encoded("BMP"), formats=("PNG", "BMP")).size == (24, 16)
    with pytest.raises(InputError, match="the given data is not a PNG or BMP picture"):
        open_picture(encoded("JPEG"), formats=("PNG", "BMP"))


def test_postscript_starts_no_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("subprocess.check_call", lambda *_: pytest.fail("a program was started"))
    path = tmp_path / "p0.png"
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\nshowpage\n")
    with pytest.raises(InputError, match="is not a PNG"):
        open_picture(path)


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "p.png")
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    for path, said in (
        (tmp_path / "p.png", "^'[^']*' is a pipe or a device, not a file"),
        (Path("/dev/zero"), "is a pipe or a device, not a file"),
        (tmp_path, "^'[^']*' is a folder, not a file"),
        (tmp_path / "none.png", "there is no file"),
        (tmp_path / "loop.png", "cannot be read"),
        (tmp_path / ("x" * 5000), "cannot be read"),
        (tmp_path / "a\0b", "cannot be read"),
        (tmp_path / "a\nb", "there is no file"),
    ):
        for read in (open_picture, read_record, read_picture):
            with pytest.raises(InputError, match=said) as caught:
                read(path)
            assert "\n" not in str(caught.value)
            assert len(str(caught.value)) < 300


def test_a_file_of_a_terabyte_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "cat.webp"
    path.write_bytes(encoded("WEBP"))
    os.truncate(path, 2**40)
    with pytest.raises(InputError, match="bytes; at most"):
        open_picture(path)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *extra: bytes) -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    end = chunk(b"IDAT", b"") + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(extra) + end


@pytest.mark.parametrize(
    "size", [(8001, 8000), (1, 60_000_000), (60_000_000, 1), (2**31 - 1, 2**31 - 1)]
)
def test_too_many_pixels_are_refused_before_they_are_decoded(size: tuple[int, int]) -> None:
    with pytest.raises(InputError, match=f"has {size[0]}x{size[1]} pixels; make it smaller"):
        open_picture(png(*size))


def test_the_limit_of_pixels_can_be_moved() -> None:
    assert open_picture(encoded("PNG"), most_pixels=24 * 16).size == (24, 16)
    with pytest.raises(InputError, match=r"at most 0\.000383 million"):
        open_picture(encoded("PNG"), most_pixels=24 * 16 - 1)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_picture_that_is_cut_short_is_broken(kind: str) -> None:
    data = encoded(kind, (200, 200))
    for length in (20, 60, len(data) // 2, len(data) * 3 // 4):
        with pytest.raises(InputError, match="the given data is "):
            open_picture(data[:length])


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt", b"iCCP"])
def test_what_unpacks_to_any_size_is_refused(kind: bytes) -> None:
    packed = zlib.compress(b"a" * 50_000_000)
    head = {b"zTXt": b"x\0\0", b"iTXt": b"x\0\1\0\0\0", b"iCCP": b"x\0\0"}[kind]
    data = encoded("PNG")
    with pytest.raises(InputError, match="is a broken picture: Decompressed data too large"):
        open_picture(data[:33] + chunk(kind, head + packed) + data[33:])


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_of_an_animation_the_first_picture_is_taken(kind: str) -> None:
    buffer = io.BytesIO()
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    frames[0].save(buffer, kind, save_all=True, append_images=frames[1:], lossless=True)
    picture = open_picture(buffer.getvalue())
    assert picture.convert("RGB").getpixel((0, 0)) == (255, 0, 0)
    assert not getattr(picture, "is_animated", False)


@pytest.mark.parametrize("turn", range(1, 9))
def test_exif_turns_a_picture_only_where_asked(turn: int) -> None:
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = turn
    data = encoded("PNG", exif=exif.tobytes())
    turned = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    assert open_picture(data).size == (24, 16)
    assert open_picture(data, upright=True).tobytes() == turned.tobytes()


def test_the_process_is_left_as_it_is(recwarn: pytest.WarningsRecorder) -> None:
    limit = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = 10
    try:
        assert open_picture(encoded("PNG")).size == (24, 16)
    finally:
        Image.MAX_IMAGE_PIXELS = limit
    assert not recwarn.list


def test_text_after_the_pixels_is_found(tmp_path: Path) -> None:
    text = chunk(b"tEXt", b"parameters\0a cat\nSteps: 20, Sampler: Euler a, Seed: 5, Size: 8x8")
    data = encoded("PNG")
    (tmp_path / "a.png").write_bytes(data[:-12] + text + data[-12:])
    told = read_record(tmp_path / "a.png")
    assert told is not None
    assert told["prompt"] == "a cat"


def test_a_record_is_read_from_a_picture_of_any_size(tmp_path: Path) -> None:
    """A grid may have more pixels than are decoded; reading its record decodes none."""
    text = chunk(b"tEXt", b'kakusan\0{"kakusan": "0.1.0", "seed": 7}')
    (tmp_path / "a.png").write_bytes(png(20_000, 20_000, text))
    assert read_record(tmp_path / "a.png") == {"kakusan": "0.1.0", "seed": 7}


def test_plain_text_chunks_may_hold_utf8(tmp_path: Path) -> None:
    info = PngImagePlugin.PngInfo()
    words = "猫, café\nSteps: 20, Sampler: Euler a, Seed: 5, Size: 8x8"
    info.add(b"tEXt", b"parameters\0" + words.encode())
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png", pnginfo=info)
    told = read_record(tmp_path / "a.png")
    assert told is not None
    assert told["prompt"] == "猫, café"


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="no such file here")
def test_a_file_that_fails_while_it_is_read_is_one_line() -> None:
    with pytest.raises(InputError, match="is a broken picture"):
        open_picture("/proc/self/mem")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_plain_text_chunks_may_hold_utf16(tmp_path: Path, encoding: str) -> None:
    words = "a café, 猫\nSteps: 20, Sampler: Euler a, Seed: 5, Size: 8x8"
    data = encoded("PNG")
    text = chunk(b"tEXt", b"parameters\0" + words.encode(encoding))
    (tmp_path / "a.png").write_bytes(data[:-12] + text + data[-12:])
    told = read_record(tmp_path / "a.png")
    assert told is not None
    assert (told["prompt"], told["seed"]) == ("a café, 猫", 5)


@pytest.mark.parametrize(
    "text", ['[["Prompt", "prompt", "x"]]', '{"positive_prompt": "x"}', "[" * 100_000]
)
def test_other_programs_json_is_no_prompt(tmp_path: Path, text: str) -> None:
    data, chunked = encoded("PNG"), chunk(b"tEXt", b"parameters\0" + text.encode())
    (tmp_path / "a.png").write_bytes(data[:-12] + chunked + data[-12:])
    assert read_record(tmp_path / "a.png") is None
