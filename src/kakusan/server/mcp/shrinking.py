"""Pictures small enough to stand inside a result."""

import io

from PIL import Image

LARGEST_SIDE = 512
# Of all pictures of a result, in base64: an assistant's program takes a megabyte
MOST_CHARACTERS = 900_000
_QUALITIES = (85, 70, 50, 30)


def room_for(pictures: int) -> int:
    """The bytes that each of so many may have."""
    return MOST_CHARACTERS * 3 // 4 // max(1, pictures)


def shrunk(image: Image.Image, most_bytes: int) -> bytes:
    """A WebP file of no more than 512 pixels a side, and no more bytes than these."""
    image = image.convert("RGB")
    side = LARGEST_SIDE
    while True:
        small = image.copy()
        small.thumbnail((side, side), Image.Resampling.LANCZOS)
        for quality in _QUALITIES:
            file = io.BytesIO()
            small.save(file, "WEBP", quality=quality)
            if file.tell() <= most_bytes or (side <= 16 and quality == _QUALITIES[-1]):
                return file.getvalue()
        side //= 2
