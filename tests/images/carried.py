"""Files that carry texts in every place where tools put them, made byte by byte."""

import gzip
import io
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

Texts = dict[str, str]
BEHIND = "behind"


def picture(size: tuple[int, int] = (24, 16), mode: str = "RGB") -> Image.Image:
    return Image.new(mode, size, "teal")


def encoded(kind: str, image: Image.Image | None = None, **options: object) -> bytes:
    buffer = io.BytesIO()
    (image or picture()).save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def text_chunk(kind: str, key: str, text: bytes) -> bytes:
    """A chunk of text of one of PNG's three kinds; "zi" is a packed international one."""
    name = key.encode("latin-1") + b"\0"
    if kind == "tEXt":
        return chunk(b"tEXt", name + text)
    if kind == "zTXt":
        return chunk(b"zTXt", name + b"\0" + zlib.compress(text))
    if kind == "iTXt":
        return chunk(b"iTXt", name + b"\0\0" + b"en\0" + b"key\0" + text)
    return chunk(b"iTXt", name + b"\1\0" + b"\0" + b"\0" + zlib.compress(text))


def png(*chunks: bytes, behind: bool = False, image: Image.Image | None = None) -> bytes:
    """A PNG with chunks before the pixels, or behind them."""
    plain = encoded("PNG", image)
    at = len(plain) - 12 if behind else 33
    return plain[:at] + b"".join(chunks) + plain[at:]


def png_of(texts: Texts, *, image: Image.Image | None = None) -> bytes:
    return png(
        *(text_chunk("iTXt", key, text.encode()) for key, text in texts.items()), image=image
    )


def jpeg(*segments: tuple[int, bytes]) -> bytes:
    """A JPEG with segments of (marker, data)."""
    plain = encoded("JPEG")
    made = (struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data for marker, data in segments)
    return plain[:2] + b"".join(made) + plain[2:]


def exif(
    tags: dict[int, bytes], *, order: str = ">", inner: dict[int, bytes] | None = None
) -> bytes:
    """A TIFF block; `inner` are the tags of the Exif directory."""

    def directory(entries: list[tuple[int, int, int, bytes]], at: int) -> bytes:
        table, values = struct.pack(f"{order}H", len(entries)), b""
        behind = at + 2 + 12 * len(entries) + 4
        for tag, kind, count, value in entries:
            if len(value) > 4:
                place = struct.pack(f"{order}I", behind + len(values))
                values += value
            else:
                place = value.ljust(4, b"\0")
            table += struct.pack(f"{order}HHI", tag, kind, count) + place
        return table + b"\0" * 4 + values

    def entries(given: dict[int, bytes]) -> list[tuple[int, int, int, bytes]]:
        return [(tag, 7, len(value), value) for tag, value in given.items()]

    head = (b"MM\0*" if order == ">" else b"II*\0") + struct.pack(f"{order}I", 8)
    outer = entries(tags)
    if inner is None:
        return head + directory(outer, 8)
    size = len(directory([*outer, (0x8769, 4, 1, b"\0" * 4)], 8))
    outer.append((0x8769, 4, 1, struct.pack(f"{order}I", 8 + size)))
    return head + directory(outer, 8) + directory(entries(inner), 8 + size)


def jpeg_exif(block: bytes) -> bytes:
    return jpeg((0xE1, b"Exif\0\0" + block))


def webp(*chunks: tuple[bytes, bytes], image: Image.Image | None = None) -> bytes:
    """A lossless WebP with chunks behind the pixels."""
    plain = encoded("WEBP", image, lossless=True, exact=True)
    made = b"".join(
        kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
        for kind, data in chunks
    )
    body = plain[8:] + made
    return b"RIFF" + struct.pack("<I", len(body)) + body


def xmp(properties: str) -> bytes:
    return (
        "<?xpacket begin='\ufeff' id='W5M0MpCehiHzreSzNTczkc9d'?>"
        "<x:xmpmeta xmlns:x='adobe:ns:meta/'>"
        "<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>"
        "<rdf:Description rdf:about='' xmlns:exif='http://ns.adobe.com/exif/1.0/' "
        "xmlns:sdcpp='https://github.com/leejet/stable-diffusion.cpp/' "
        f"xmlns:dc='http://purl.org/dc/elements/1.1/'>{properties}</rdf:Description>"
        "</rdf:RDF></x:xmpmeta><?xpacket end='w'?>"
    ).encode()


def stealth(
    text: str, *, form: str = "stealth_pngcomp", size: tuple[int, int] = (64, 48)
) -> Image.Image:
    """A picture whose lowest bits hold a text, column after column."""
    data = text.encode()
    if form.endswith("comp"):
        data = gzip.compress(data)
    stream = form.encode() + struct.pack(">I", 8 * len(data)) + data
    bits = np.unpackbits(np.frombuffer(stream, np.uint8))
    rgb = "rgb" in form
    width, height = size
    pixels = np.full((width, height, 3 if rgb else 4), 254, np.uint8)  # columns first
    flat = pixels.reshape(-1) if rgb else pixels[:, :, 3].reshape(-1)
    flat[: len(bits)] |= bits
    if not rgb:
        pixels[:, :, 3] = flat.reshape(width, height)
    return Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 0, 2)))


def written(folder: Path, data: bytes, suffix: str = ".png") -> Path:
    path = folder / f"a{suffix}"
    path.write_bytes(data)
    return path
