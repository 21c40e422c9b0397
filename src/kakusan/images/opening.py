"""The one way in which a picture from outside is opened.

Pillow knows some forty formats, among them ones that start other programs (EPS) or grow without a
limit (FITS). Here a file is given to the reader of a format named in `FORMATS` alone, its size is
checked before a pixel is decoded, and whatever goes wrong is one line.
"""

import io
import struct
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TypeAlias

from PIL import Image, ImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from kakusan.checkpoints.regular import open_regular
from kakusan.errors import InputError, reason, shown_path
from kakusan.images.exif import orientation

Source: TypeAlias = Path | str | bytes | BinaryIO

# What kakusan writes. GIF and TIFF are not taken: a palette of 256 colours is no picture to learn
# or begin from, and TIFF is a family of dozens of compressions. BMP, which old training folders
# hold, is as simple as they come; whoever wants it asks for it.
FORMATS = ("PNG", "JPEG", "WEBP")
MOST_PIXELS = 64_000_000  # of one picture: more is a mistake, or meant to fill the memory
LONGEST_SIDE = 65_535
_MOST_BYTES = 2**30

_NAMES = {"WEBP": "WebP"}
_READERS: dict[str, Callable[[BinaryIO], ImageFile.ImageFile]] = {
    "PNG": PngImageFile,
    "JPEG": JpegImageFile,
    "WEBP": WebPImageFile,
    "BMP": BmpImageFile,
}
_SIGNATURES = {"PNG": b"\x89PNG\r\n\x1a\n", "JPEG": b"\xff\xd8\xff", "BMP": b"BM"}
# What Pillow raises on broken or hostile files of these formats; warnings where they are errors
BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    EOFError,
    OverflowError,
    AttributeError,
    NotImplementedError,
    RecursionError,
    MemoryError,
    struct.error,
    UserWarning,
    Image.DecompressionBombError,
)


def open_picture(
    source: Source,
    *,
    formats: Sequence[str] = FORMATS,
    most_pixels: int = MOST_PIXELS,
    upright: bool = False,
    near: int | None = None,
) -> Image.Image:
    """The decoded picture in a file, or in bytes; of an animation the first picture.

    Args:
        source: A path, the bytes of a file, or an open file that can be sought.
        formats: Of PNG, JPEG, WEBP and BMP those that are taken; the content decides, not a name.
        most_pixels: Width times height; looked at before anything is decoded.
        upright: Whether to turn it as its EXIF orientation says.
        near: A JPEG may be decoded to a smaller size, of no side below this one.

    Raises:
        InputError: No such file, a pipe or a device, another format, broken, or too large.
    """
    with opened(source, formats=formats) as (image, name):
        check_size(image.size, name, most_pixels)
        if near is not None:
            image.draft("RGB", (near, near))
        image.load()
        return image.copy() if not upright else turned(image)


@contextmanager
def opened(
    source: Source, *, formats: Sequence[str] = FORMATS
) -> Generator[tuple[ImageFile.ImageFile, str]]:
    """A picture whose pixels are not decoded yet, and how messages call it.

    Pillow's errors inside are one line too; whoever decodes calls `check_size` first.

    Raises:
        InputError: As `open_picture` does.
    """
    name = shown_path(source) if isinstance(source, str | Path) else "the given data"
    with _file(source) as file:
        try:
            kind = _kind_of(file)
            if kind not in formats:
                raise InputError(f"{name} is not a {_listed(formats)} picture")
            yield _READERS[kind](file), name
        except InputError:
            raise
        except BROKEN as error:
            raise InputError(f"{name} is a broken picture: {reason(error)}") from None


def check_size(size: tuple[int, int], name: str, most_pixels: int = MOST_PIXELS) -> None:
    """Raise `InputError` where decoding a picture of this size would take too much memory."""
    width, height = size
    if width * height > most_pixels or max(size) > LONGEST_SIDE:
        raise InputError(
            f"{name} has {width}x{height} pixels; make it smaller: at most "
            f"{most_pixels / 1e6:g} million, and {LONGEST_SIDE} on a side"
        )


@contextmanager
def _file(source: Source) -> Generator[BinaryIO]:
    if isinstance(source, bytes):
        yield io.BytesIO(source)
    elif isinstance(source, str | Path):
        with open_regular(Path(source), most_bytes=_MOST_BYTES) as file:
            yield file
    else:
        yield source


def _kind_of(file: BinaryIO) -> str:
    head = file.read(16)
    file.seek(0)
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    return next((kind for kind, sign in _SIGNATURES.items() if head.startswith(sign)), "")


def _listed(formats: Sequence[str]) -> str:
    *others, last = [_NAMES.get(kind, kind) for kind in formats]
    return f"{', '.join(others)} or {last}" if others else last


_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def turned(image: Image.Image) -> Image.Image:
    """A copy of a picture, turned as its EXIF orientation says."""
    turn = _TURNS.get(orientation(exif_of(image)))
    return image.copy() if turn is None else image.transpose(turn)


def exif_of(image: Image.Image) -> bytes:
    """The EXIF block of an opened picture; empty where it has none."""
    found = image.info.get("exif")
    return found if isinstance(found, bytes) else b""
