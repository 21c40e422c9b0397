"""Every text of a picture's file, whatever kind of picture it is."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from PIL import AvifImagePlugin, features

from kakusan.checkpoints.regular import open_regular
from kakusan.errors import InputError, reason, shown_path
from kakusan.images.carriers import gif, jpeg, png
from kakusan.images.carriers.exif_texts import read_exif
from kakusan.images.carriers.stealth import read_stealth
from kakusan.images.carriers.texts import Texts
from kakusan.images.carriers.webp import read_webp
from kakusan.images.carriers.xmp import read_xmp
from kakusan.images.opening import open_picture

_MOST_BYTES = 2**30
_MOST_BYTES_OF_AVIF = 2**27  # Pillow reads it whole
_WITH_PIXELS = (png.SIGNATURE, b"RIFF")  # which keep pixels to the bit, or may
# What Pillow raises on broken files
_BROKEN = (OSError, SyntaxError, ValueError, TypeError, KeyError, RuntimeError, MemoryError)


def texts_of(path: Path | str) -> Texts:
    """The texts beside the pixels of a PNG, JPEG, WebP, GIF or AVIF file.

    Raises:
        InputError: No such file, a pipe or a device, another format, or no picture's beginning.
    """
    texts, path = Texts(), Path(path)
    with open_regular(path, most_bytes=_MOST_BYTES) as file:
        try:
            head = file.read(16)
            read = _reader_for(head)
            if read is None:
                raise InputError(
                    f"{shown_path(path)} is not a PNG, JPEG or WebP picture, nor GIF or AVIF"
                )
            read(file, texts)
        except OSError as error:
            raise InputError(f"{shown_path(path)} cannot be read: {reason(error)}") from None
        except EOFError:
            raise InputError(f"{shown_path(path)} is a broken picture: it has no header") from None
    for kind, block in texts.blocks:
        (read_exif if kind == "exif" else read_xmp)(block, texts)
    return texts


def add_stealth(path: Path | str, texts: Texts) -> None:
    """Look into the pixels too, where the format may keep their lowest bits."""
    try:
        with open_regular(Path(path), most_bytes=_MOST_BYTES) as file:
            head = file.read(16)
        if head.startswith(_WITH_PIXELS):
            read_stealth(open_picture(path), texts)
    except InputError:  # a picture too large or broken: what stands beside the pixels is read
        return


def _reader_for(head: bytes) -> Callable[[BinaryIO, Texts], None] | None:
    if head.startswith(png.SIGNATURE):
        return png.read_png
    if head.startswith(jpeg.SIGNATURE):
        return jpeg.read_jpeg
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return read_webp
    if head.startswith(gif.SIGNATURES):
        return gif.read_gif
    return _read_avif if head[4:12] in (b"ftypavif", b"ftypavis") else None


def _read_avif(file: BinaryIO, texts: Texts) -> None:
    """Through Pillow, which may have been built without it."""
    if not features.check("avif"):
        texts.fail("avif", "cannot be read: this Pillow has no AVIF")
        return
    file.seek(0)
    data = file.read(_MOST_BYTES_OF_AVIF)
    try:
        image = AvifImagePlugin.AvifImageFile(io.BytesIO(data))
    except _BROKEN:
        texts.fail("avif", "is broken")
        return
    for kind in ("exif", "xmp"):
        found = image.info.get(kind)
        if isinstance(found, bytes):
            texts.add_block(kind, found)
