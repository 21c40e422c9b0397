"""Pictures on their way in and out: decoded within bounds, and encoded anew.

What comes in is of a format that browsers show, is measured before a pixel is decoded, and is kept
as a PNG of our own, so that nothing of the file itself stays.
"""

import io
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

from PIL import Image

from kakusan.errors import InputError, shown
from kakusan.images.metadata import encoded
from kakusan.images.opening import FORMATS, MOST_PIXELS, check_size, opened
from kakusan.images.upright import plain

MEDIA_TYPES = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}
LEAST_SIDE, MOST_SIDE = 16, 4096  # of a picture that is made smaller
_FAST = 1  # of zlib's levels
_QUALITY = {"jpeg": 95, "webp": 90}


@dataclass(frozen=True, eq=False)
class InputPicture:
    """A picture that was handed in, and is kept.

    Attributes:
        id: under which the queue keeps it.
        image: upright, RGB or RGBA.
    """

    id: str
    image: Image.Image

    @property
    def width(self) -> int:
        return self.image.width

    @property
    def height(self) -> int:
        return self.image.height


class PixelBudget:
    """Lets only so many pixels be decoded at once; whoever asks for more waits."""

    def __init__(self, pixels: int = MOST_PIXELS) -> None:
        self._all = self._left = pixels
        self._changed = threading.Condition()

    @contextmanager
    def taken(self, pixels: int) -> Generator[None]:
        """Within, there is room for so many."""
        wanted = min(pixels, self._all)
        with self._changed:
            self._changed.wait_for(lambda: self._left >= wanted)
            self._left -= wanted
        try:
            yield
        finally:
            with self._changed:
                self._left += wanted
                self._changed.notify_all()


def opened_input(data: bytes, budget: PixelBudget) -> tuple[Image.Image, bytes]:
    """A picture from outside, upright, in RGB or RGBA; and the bytes of a PNG of it.

    Raises:
        InputError: It is no PNG, JPEG or WebP picture, broken, or too large.
    """
    with opened(data, formats=FORMATS) as (file, name):
        check_size(file.size, name)
        with budget.taken(file.width * file.height):
            image = plain(file, name)
            png = png_of(image)
    image.info.clear()
    return image, png


def png_of(image: Image.Image) -> bytes:
    """A picture as it is kept."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=_FAST)
    return buffer.getvalue()


def rendered(
    data: bytes, kind: str, size: int | None, record: object, budget: PixelBudget
) -> bytes:
    """A picture of our own in another format, or smaller.

    Args:
        kind: of `MEDIA_TYPES`.
        size: of the longer side, in pixels; None is its own, with the record in the file.

    Raises:
        InputError: The format cannot hold it.
    """
    with opened(data, formats=FORMATS) as (file, name):
        check_size(file.size, name)
        with budget.taken(file.width * file.height):
            if size is not None:
                file.draft("RGB", (size, size))
            image = plain(file, name)
            if size is not None:
                image.thumbnail((size, size))
            kept = record if size is None and isinstance(record, dict) else None
            return encoded(image, kind.upper(), kept, _QUALITY.get(kind, 95))


def checked_format(kind: str) -> str:
    """A format's name, as `MEDIA_TYPES` has it.

    Raises:
        InputError: There is none such.
    """
    name = {"jpg": "jpeg"}.get(kind.casefold(), kind.casefold())
    if name not in MEDIA_TYPES:
        raise InputError(f"format must be one of {', '.join(MEDIA_TYPES)}, not {shown(kind)}")
    return name


def media_type_of(data: bytes) -> str:
    """Of one of our own pictures, by its first bytes."""
    if data.startswith(b"\x89PNG"):
        return MEDIA_TYPES["png"]
    return MEDIA_TYPES["jpeg" if data.startswith(b"\xff\xd8") else "webp"]
