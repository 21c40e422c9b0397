"""Names that scripts import from the reference library's module of this name.

kakusan has no module of this kind for things of its own; what is here is defined where it belongs,
or is a few lines on it. `make_image_grid` is `kakusan.image_grid`, for one.
"""

import http.client
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path

from PIL import Image, ImageOps

from kakusan.errors import InputError, RequestError, reason, shown
from kakusan.images import image_grid, open_picture, to_pil
from kakusan.later import missing_name
from kakusan.pipeline import VaeImageProcessor
from kakusan.utils import logging

__all__ = [
    "load_image",
    "logging",
    "make_image_grid",
    "numpy_to_pil",
    "pt_to_pil",
]

LARGEST = 100_000_000  # bytes of a file from the network
TIMEOUT = 30  # seconds

numpy_to_pil = VaeImageProcessor.numpy_to_pil
pt_to_pil = to_pil


def __getattr__(name: str) -> object:
    raise missing_name("kakusan.utils", name, __all__)


def make_image_grid(
    images: Sequence[Image.Image], rows: int, cols: int, resize: int | None = None
) -> Image.Image:
    """Put `rows * cols` pictures into one, row by row.

    Args:
        resize: makes each of them a square of so many pixels first.

    Raises:
        RequestError: The number of pictures is not `rows * cols`, or there are none.
    """
    if resize is not None:
        images = [image.resize((resize, resize)) for image in images]
    return image_grid(images, rows, cols)


def load_image(
    image: str | PathLike[str] | Image.Image,
    convert_method: Callable[[Image.Image], Image.Image] | None = None,
) -> Image.Image:
    """A picture from a file, from an address, or as it is; upright, and in RGB.

    Args:
        image: A PNG, JPEG or WebP file, or an http(s) address of one.
        convert_method: Converts it in place of RGB.

    Raises:
        InputError: There is no such file or address, or it is no such picture.
    """
    if isinstance(image, str | PathLike):
        picture = open_picture(_source(image), upright=True)
    elif isinstance(image, Image.Image):  # pyright: ignore[reportUnnecessaryIsInstance]
        picture = ImageOps.exif_transpose(image)
    else:
        raise RequestError(
            f"load_image takes a path, an address or a PIL picture, not {shown(image)}"
        )
    return picture.convert("RGB") if convert_method is None else convert_method(picture)


def _source(name: str | PathLike[str]) -> Path | bytes:
    if not (isinstance(name, str) and name.startswith(("http://", "https://"))):
        return Path(name)
    # without a name of its own, some servers answer nothing
    request = urllib.request.Request(name, headers={"User-Agent": "kakusan"})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            data = answer.read(LARGEST + 1)
    except (OSError, ValueError, http.client.HTTPException) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()  # it holds the connection
        raise InputError(f"{shown(name)} cannot be fetched: {reason(error)}") from None
    if len(data) > LARGEST:
        raise InputError(f"{shown(name)} is larger than {LARGEST // 1_000_000} MB")
    return data
