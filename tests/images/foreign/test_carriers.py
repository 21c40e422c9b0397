"""A text is found wherever tools put it, and what is broken fails nothing."""

import codecs
import contextlib
import itertools
import json
import struct
import zlib
from pathlib import Path

import pytest

from kakusan.errors import InputError
from kakusan.images.carriers import texts_of
from kakusan.images.foreign import Told, read_foreign
from tests.images import carried

WORDS = "猫, café, a cat\nNegative prompt: 犬\nSteps: 20, Sampler: Euler a, Seed: 5, Size: 24x16"


def told_in(folder: Path, data: bytes, suffix: str = ".png") -> Told:
    told = read_foreign(carried.written(folder, data, suffix))
    assert told is not None
    return told


def check(told: Told, carrier: str) -> None:
    assert (told.tool, told.carrier) == ("AUTOMATIC1111", carrier)
    assert told.settings.prompt == "猫, café, a cat"
    assert told.settings.negative_prompt == "犬"
    assert (told.settings.seed, told.settings.width, told.settings.height) == (5, 24, 16)


@pytest.mark.parametrize("kind", ["tEXt", "zTXt", "iTXt", "zi"])
@pytest.mark.parametrize("behind", [False, True])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_text_chunks(kind: str, behind: bool, encoding: str, tmp_path: Path) -> None:
    text = carried.text_chunk(kind, "parameters", WORDS.encode(encoding))
    check(told_in(tmp_path, carried.png(text, behind=behind)), "png:parameters")


def test_plain_chunks_hold_latin_1(tmp_path: Path) -> None:
    text = "café, naïve\nSteps: 20, Sampler: Euler a, Seed: 5, Size: 24x16".encode("latin-1")
    told = told_in(tmp_path, carried.png(carried.text_chunk("tEXt", "parameters", text)))
    assert told.settings.prompt == "café, naïve"


COMMENTS = {
    "big": b"UNICODE\0" + WORDS.encode("utf-16-be"),
    "little": b"UNICODE\0" + WORDS.encode("utf-16-le"),
    "big, marked": b"UNICODE\0" + codecs.BOM_UTF16_BE + WORDS.encode("utf-16-be"),
    "little, marked": b"UNICODE\0" + codecs.BOM_UTF16_LE + WORDS.encode("utf-16-le"),
    "ascii": b"ASCII\0\0\0" + WORDS.encode(),
    "bare": WORDS.encode(),
    "bare, big": WORDS.encode("utf-16-be"),
}


@pytest.mark.parametrize("comment", COMMENTS.values(), ids=COMMENTS)
@pytest.mark.parametrize("order", ["<", ">"])
def test_comments_of_exif_in_every_format(comment: bytes, order: str, tmp_path: Path) -> None:
    for inner in (True, False):
        tags = {0x9286: comment}
        block = carried.exif({} if inner else tags, order=order, inner=tags if inner else None)
        profile = (
            b"\nexif\n" + str(len(block)).encode() + b"\n" + (b"Exif\0\0" + block).hex().encode()
        )
        files = {
            ".png": carried.png(carried.chunk(b"eXIf", block)),
            ".PNG": carried.png(carried.text_chunk("zTXt", "Raw profile type exif", profile)),
            ".jpg": carried.jpeg_exif(block),
            ".webp": carried.webp((b"EXIF", block)),
            ".WEBP": carried.webp((b"EXIF", b"Exif\0\0" + block)),
        }
        for suffix, data in files.items():
            check(told_in(tmp_path, data, suffix), "exif:UserComment")


def test_avif_as_far_as_pillow_reads_it(tmp_path: Path) -> None:
    from PIL import features

    if not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    block = b"Exif\0\0" + carried.exif({}, inner={0x9286: COMMENTS["big"]})
    data = carried.encoded("AVIF", exif=block)
    check(told_in(tmp_path, data, ".avif"), "exif:UserComment")


def test_comments_of_jpeg_and_gif(tmp_path: Path) -> None:
    data = carried.jpeg((0xFE, WORDS.encode()))
    check(told_in(tmp_path, data, ".jpg"), "jpeg:comment")
    frames = {"save_all": True, "append_images": [carried.picture(mode="L")] * 3}
    data = carried.encoded("GIF", comment=WORDS.encode(), **frames)
    check(told_in(tmp_path, data, ".gif"), "gif:comment")


PROPERTIES = {
    "element": "<sdcpp:parameters>{}</sdcpp:parameters>",
    "list": "<sdcpp:parameters><rdf:Alt><rdf:li xml:lang='x-default'>{}</rdf:li></rdf:Alt>"
    "</sdcpp:parameters>",
    "cdata": "<sdcpp:parameters><![CDATA[{}]]></sdcpp:parameters>",
}


@pytest.mark.parametrize("form", PROPERTIES.values(), ids=PROPERTIES)
def test_xmp_in_every_format(form: str, tmp_path: Path) -> None:
    packet = carried.xmp(form.format(WORDS))
    prefix = b"http://ns.adobe.com/xap/1.0/\0"
    files = {
        ".png": carried.png(carried.text_chunk("iTXt", "XML:com.adobe.xmp", packet)),
        ".jpg": carried.jpeg((0xE1, prefix + packet)),
        ".webp": carried.webp((b"XMP ", packet)),
    }
    for suffix, data in files.items():
        check(told_in(tmp_path, data, suffix), "xmp:parameters")


def test_xmp_in_attributes_and_in_pieces(tmp_path: Path) -> None:
    line = WORDS.replace("\n", "&#10;")
    packet = carried.xmp("").replace(b"xmlns:dc", f"sdcpp:parameters='{line}' xmlns:dc".encode())
    data = carried.jpeg((0xE1, b"http://ns.adobe.com/xap/1.0/\0" + packet))
    check(told_in(tmp_path, data, ".jpg"), "xmp:parameters")
    head = b"http://ns.adobe.com/xmp/extension/\0" + b"0" * 32 + struct.pack(">I", len(packet))
    pieces = [(n, packet[n : n + 300]) for n in range(0, len(packet), 300)]
    data = carried.jpeg(*((0xE1, head + struct.pack(">I", n) + piece) for n, piece in pieces))
    check(told_in(tmp_path, data, ".jpg"), "xmp:parameters")


FORMS = ("stealth_pnginfo", "stealth_pngcomp", "stealth_rgbinfo", "stealth_rgbcomp")


@pytest.mark.parametrize("form", FORMS)
def test_stealth(form: str, tmp_path: Path) -> None:
    image = carried.stealth(WORDS, form=form)
    for suffix, data in {
        ".png": carried.encoded("PNG", image),
        ".webp": carried.webp(image=image),
    }.items():
        check(told_in(tmp_path, data, suffix), "stealth:parameters")


def test_what_stands_beside_the_pixels_goes_first(tmp_path: Path) -> None:
    image = carried.stealth("a dog\nSteps: 3, Seed: 1, Size: 8x8")
    check(told_in(tmp_path, carried.png_of({"parameters": WORDS}, image=image)), "png:parameters")


@pytest.mark.parametrize("form", FORMS[:2])
def test_stealth_that_lies_is_no_record(form: str, tmp_path: Path) -> None:
    image = carried.stealth(WORDS, form=form)
    alpha = image.getchannel("A")
    for index in range(15, 19):  # the length
        for bit in range(8):
            place = divmod(8 * index + bit, image.height)
            alpha.putpixel(place, 255)
    image.putalpha(alpha)
    assert read_foreign(carried.written(tmp_path, carried.encoded("PNG", image))) is None


def test_a_packed_bomb_beside_a_text_is_said(tmp_path: Path) -> None:
    bomb = zlib.compress(b"a" * 100_000_000)
    chunks = (
        carried.chunk(b"zTXt", b"workflow\0\0" + bomb),
        carried.text_chunk("iTXt", "parameters", WORDS.encode()),
    )
    told = told_in(tmp_path, carried.png(*chunks))
    check(told, "png:parameters")
    assert any(each.startswith("png:workflow is broken, or longer") for each in told.limits)


EVIL = {
    "entities": "<!DOCTYPE a [<!ENTITY b 'lol'><!ENTITY c '&b;&b;&b;'>]><a><b>&c;</b></a>",
    "from a file": "<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a><b>&b;</b></a>",
    "a type from elsewhere": "<!DOCTYPE a SYSTEM 'http://127.0.0.1:9/a.dtd'><a><b>x</b></a>",
    "deep": "<a>" * 100_000,
    "no XML": "\0\1\2",
    "cut": "<a><b>Steps",
}


@pytest.mark.parametrize("packet", EVIL.values(), ids=EVIL)
def test_xmp_reads_nothing_from_elsewhere(packet: str, tmp_path: Path) -> None:
    chunk = carried.text_chunk("iTXt", "XML:com.adobe.xmp", packet.encode())
    texts = texts_of(carried.written(tmp_path, carried.png(chunk)))
    assert texts.broken == {"xmp": "is no XML that can be read"}
    assert not texts.found


def test_every_file_cut_or_changed_ends(tmp_path: Path) -> None:
    block = carried.exif({0x010E: b"x" * 20}, inner={0x9286: COMMENTS["big"]})
    wholes = [
        carried.png(carried.text_chunk("zi", "parameters", WORDS.encode()), behind=True),
        carried.jpeg_exif(block),
        carried.webp((b"EXIF", block), (b"XMP ", carried.xmp("<dc:a>b</dc:a>"))),
        carried.encoded("GIF", comment=WORDS.encode()),
    ]
    for whole, step in itertools.product(wholes, (7, 13)):
        for cut in range(16, len(whole), step):
            path = carried.written(tmp_path, whole[:cut])
            with contextlib.suppress(InputError):  # without a header it is no picture
                texts_of(path)
            data = bytearray(whole)
            data[cut] ^= 255
            texts_of(carried.written(tmp_path, bytes(data)))


def test_the_record_of_kakusan_is_json(tmp_path: Path) -> None:
    told = told_in(tmp_path, carried.png_of({"parameters": WORDS}))
    assert json.loads(json.dumps(told.to_record(), allow_nan=False)) == told.to_record()
    assert told.texts == {"png:parameters": WORDS}
