"""Masks as OpenAI has them: what is transparent is drawn anew."""

import io

from PIL import Image, ImageChops

from kakusan.server.dialects.openai.failures import invalid

Size = tuple[int, int]


def white_where_transparent(mask: Image.Image, size: Size) -> bytes:
    """The mask as kakusan has them, white where it is drawn anew, as a PNG file.

    Args:
        mask: as it was sent, with its transparency.
        size: of the picture that it belongs to.

    Raises:
        Refusal: It says nothing, or is as large as another picture.
    """
    if mask.size != size:
        raise invalid(
            f"mask has {mask.size[0]}x{mask.size[1]} pixels, but image {size[0]}x{size[1]}; they "
            "must be equal",
            "mask",
        )
    if not mask.has_transparency_data:
        raise invalid("mask has no transparency; what is transparent is drawn anew", "mask")
    levels = ImageChops.invert(mask.convert("RGBA").getchannel("A"))
    if not levels.getbbox():
        raise invalid("mask is transparent nowhere; what is transparent is drawn anew", "mask")
    file = io.BytesIO()
    levels.save(file, "PNG")
    return file.getvalue()
