"""Any picture of PIL's as RGB, or as RGBA where something of it is transparent, upright."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageFile

from kakusan.errors import InputError, reason, shown
from kakusan.images.opening import BROKEN, FORMATS, open_picture, turned

_LEVELS_16 = 65535
_WITH_ALPHA = frozenset({"RGBA", "LA", "PA", "La", "RGBa"})
# of one number a pixel, which Pillow would cut off at 255
_DEEP = frozenset({"I", "F", "I;16", "I;16B", "I;16L", "I;16N"})


def plain_from(path: Path) -> Image.Image:
    """The picture in a PNG, JPEG, WebP or BMP file, as `plain` has it.

    Raises:
        InputError: No such file, or another, broken, or too large.
    """
    image = open_picture(path, formats=(*FORMATS, "BMP"), upright=True)
    return plain(image, shown(path.name))


def plain(image: Image.Image, name: str) -> Image.Image:
    """A picture in the mode RGB or RGBA.

    What was just opened is turned as its EXIF orientation says; later pictures may have been
    already, and keep that all the same. Palettes, greys, CMYK and others are converted, 16 bits
    rounded to 8; what is wholly opaque is RGB.

    Args:
        name: what messages call it.

    Raises:
        InputError: It is broken, or its numbers are no levels of grey.
    """
    try:
        image.load()
        return _converted(turned(image) if isinstance(image, ImageFile.ImageFile) else image, name)
    except InputError:
        raise
    except BROKEN as error:
        raise InputError(f"{name} is a broken picture: {reason(error)}") from None


def over_white(image: Image.Image) -> Image.Image:
    """What `plain` gave, in RGB: what is transparent shows white."""
    if image.mode == "RGB":
        return image
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")


def _converted(upright: Image.Image, name: str) -> Image.Image:
    if upright.mode in _DEEP:
        upright = _eight_bits(upright, name)
    if upright.mode not in _WITH_ALPHA and "transparency" not in upright.info:
        return upright.convert("RGB")
    found = upright.convert("RGBA")
    lowest, _ = found.getchannel("A").getextrema()
    return found.convert("RGB") if lowest == 255 else found


def _eight_bits(image: Image.Image, name: str) -> Image.Image:
    values = np.asarray(image).astype(np.float64)
    top = float(values.max(initial=0.0))
    if not np.isfinite(values).all() or float(values.min(initial=0.0)) < 0 or top > _LEVELS_16:
        raise InputError(f"{name} has numbers that are no levels of grey from 0 to 65535")
    # of whole numbers 16 bits; of others from 0 to 1, or to 255
    most = (1.0 if top <= 1.0 else 255.0) if image.mode == "F" else float(_LEVELS_16)
    if top > most:
        raise InputError(f"{name} has numbers up to {top:g}; floats are taken from 0 to 1 or 255")
    if image.mode == "I" and top <= 255:
        most = 255.0
    return Image.fromarray(np.rint(values * (255.0 / most)).astype(np.uint8))
