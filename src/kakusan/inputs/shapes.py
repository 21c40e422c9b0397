"""Masks as people hand them in, in whatever form: which of a picture's pixels are drawn anew.

White is drawn anew. Files and pictures of PIL's count by their brightness, and a file, or picture,
whose transparency varies by that, as AUTOMATIC1111 has it. Arrays and tensors are of floats in
[0, 1], bool or whole numbers, with or without a channel. Text names a shape: "box:x,y,w,h",
"ellipse:x,y,w,h", or "alpha", which is what the picture itself leaves transparent.
"""

import re
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from kakusan.errors import ArgumentError, shown
from kakusan.request.masks import ALPHA as ALPHA

SHAPES = ("box", "ellipse")
FORMS = (
    "a picture of PIL's, an array or tensor (h, w), (1, h, w) or (n, 1, h, w) in [0, 1], or bool"
)
_SHAPE = re.compile(r"(box|ellipse):(.*)", re.DOTALL)
_NEAR = 0.01  # how far resampled floats may be beyond [0, 1]
_LUMA = (0.299, 0.587, 0.114)
_OPAQUE = 128  # of 255: where a mask drawn on nothing begins

Levels = npt.NDArray[np.float32]


def is_shape(value: object) -> bool:
    """Whether a text names a shape, and no file."""
    return isinstance(value, str) and (value == ALPHA or _SHAPE.fullmatch(value) is not None)


def drawn(name: str, value: str, size: tuple[int, int]) -> Levels:
    """The mask of a shape in a picture of this (width, height), in [0, 1], shape (h, w).

    Raises:
        ArgumentError: It is not four numbers, or lies outside.
    """
    match = _SHAPE.fullmatch(value)
    kind, told = ("", "") if match is None else match.groups()
    numbers = [each.strip() for each in told.split(",")]
    if len(numbers) != 4 or not all(re.fullmatch(r"-?[0-9]{1,7}", each) for each in numbers):
        raise ArgumentError(
            f"{{{name}}} is {{0}}; a shape is box:x,y,w,h or ellipse:x,y,w,h in whole pixels from "
            "the upper left corner",
            shown(value),
        )
    x, y, width, height = (int(each) for each in numbers)
    right, bottom = min(x + width, size[0]), min(y + height, size[1])
    left, top = max(x, 0), max(y, 0)
    if min(width, height) < 1 or right <= left or bottom <= top:
        raise ArgumentError(
            f"{{{name}}} is {{0}}, which covers nothing of a picture of {{1}}x{{2}} pixels",
            shown(value),
            *size,
        )
    if kind == "ellipse":
        image = Image.new("L", size)
        # PIL's corner is inside
        ImageDraw.Draw(image).ellipse((x, y, x + width - 1, y + height - 1), fill=255)
        return of_image(image)
    levels = np.zeros((size[1], size[0]), np.float32)
    levels[top:bottom, left:right] = 1.0
    return levels


def of_image(image: Image.Image) -> Levels:
    """The levels of a picture by its brightness, or by a transparency that varies."""
    if "A" in image.getbands():
        alpha = np.asarray(image.getchannel("A"))
        if alpha.min() != alpha.max():
            return np.where(alpha > _OPAQUE, 1.0, 0.0).astype(np.float32)
    return np.asarray(image.convert("L"), np.float32) / np.float32(255.0)


def of_transparency(image: Image.Image) -> Levels | None:
    """Where a picture is transparent; None where it is nowhere."""
    if "A" not in image.getbands():
        return None
    return 1.0 - np.asarray(image.getchannel("A"), np.float32) / np.float32(255.0)


def of_numbers(name: str, value: Tensor | npt.NDArray[Any]) -> Levels:
    """The levels of an array or a tensor, shape (n, h, w).

    Raises:
        ArgumentError: Its shape, or its numbers, are no mask's.
    """
    is_array = isinstance(value, np.ndarray)
    array = value if is_array else _array_of(value)
    values = _in_range(name, array)
    if values.ndim == 2:
        found = values[None]
    elif values.ndim == 3 and is_array and values.shape[-1] in (1, 3, 4):
        found = _grey(values)[None]
    elif values.ndim == 3:
        found = values
    elif values.ndim == 4 and is_array and values.shape[-1] in (1, 3, 4):
        found = _grey(values)
    elif values.ndim == 4 and values.shape[1] in (1, 3, 4):
        found = _grey(np.moveaxis(values, 1, -1))
    else:
        raise ArgumentError(f"{{{name}}} must be {FORMS}, not of the shape {{0}}", array.shape)
    if 0 in found.shape:
        raise ArgumentError(f"{{{name}}} has the shape {{0}}: no pixel", array.shape)
    return np.ascontiguousarray(found)


def _array_of(value: Tensor) -> npt.NDArray[Any]:
    tensor = value.detach().cpu()
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()


def _grey(values: Levels) -> Levels:
    """Without the last axis, the channel: the brightness of colours."""
    if values.shape[-1] == 1:
        return values[..., 0]
    return values[..., :3] @ np.array(_LUMA, np.float32)


def _in_range(name: str, array: npt.NDArray[Any]) -> Levels:
    """In [0, 1]: whole numbers up to 255, or where there is no other than 0 and 1, these."""
    if array.dtype == np.bool_:
        return array.astype(np.float32)
    if not (np.issubdtype(array.dtype, np.floating) or np.issubdtype(array.dtype, np.integer)):
        raise ArgumentError(
            f"{{{name}}} must be of floats, whole numbers or bool, not {{0}}", array.dtype
        )
    values = array.astype(np.float32)
    if not np.isfinite(values).all():
        raise ArgumentError(f"{{{name}}} holds NaN or infinity")
    lowest, highest = float(values.min(initial=0.0)), float(values.max(initial=0.0))
    whole = np.issubdtype(array.dtype, np.integer)
    most = 255.0 if whole and highest > 1 else 1.0
    if lowest < -_NEAR * (not whole) or highest > most + _NEAR * (not whole):
        raise ArgumentError(
            f"{{{name}}} has values from {lowest:g} to {highest:g}; floats are taken in [0, 1], "
            "and whole numbers up to 255"
        )
    return np.clip(values / np.float32(most), 0.0, 1.0)


def listed(value: object) -> list[object]:
    """What was handed in, one by one."""
    return list(cast("Sequence[object]", value)) if isinstance(value, list | tuple) else [value]
