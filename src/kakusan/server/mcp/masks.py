"""A mask that an assistant says in words: a shape, in pixels of the picture."""

import io
import re

from PIL import Image, ImageDraw

from kakusan.errors import shown
from kakusan.server.mcp.studio import StudioError

_SHAPE = re.compile(r"(box|ellipse):(\d{1,5}),(\d{1,5}),(\d{1,5}),(\d{1,5})")


def is_shape(given: str) -> bool:
    """Whether this is a shape, or means to be."""
    return given.startswith(("box:", "ellipse:"))


def painted(given: str, size: tuple[int, int]) -> bytes:
    """A PNG file, white where the shape `box:x,y,w,h` or `ellipse:x,y,w,h` is, black elsewhere.

    Raises:
        StudioError: It is no such shape, or lies outside the picture.
    """
    match = _SHAPE.fullmatch(given.replace(" ", ""))
    if match is None:
        raise StudioError(
            f"mask must be box:x,y,width,height or ellipse:x,y,width,height in pixels, or a "
            f"picture's id, not {shown(given)}"
        )
    x, y, width, height = (int(number) for number in match.groups()[1:])
    if not width or not height or x >= size[0] or y >= size[1]:
        raise StudioError(
            f"the mask {shown(given)} covers nothing of a picture of {size[0]}x{size[1]}"
        )
    mask = Image.new("L", size, 0)
    draw = ImageDraw.Draw(mask)
    paint = draw.rectangle if match[1] == "box" else draw.ellipse
    paint((x, y, x + width - 1, y + height - 1), fill=255)
    file = io.BytesIO()
    mask.save(file, "PNG")
    return file.getvalue()
