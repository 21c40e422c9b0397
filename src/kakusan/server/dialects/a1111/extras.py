"""Pictures made larger without a model, as AUTOMATIC1111's "extras" do it."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from PIL import Image

from kakusan.errors import shown
from kakusan.images.resizing import resized
from kakusan.server.dialects.a1111.errors import refused
from kakusan.server.dialects.a1111.values import READERS

UPSCALERS: Mapping[str, Image.Resampling | None] = {
    "None": None,
    "Lanczos": Image.Resampling.LANCZOS,
    "Nearest": Image.Resampling.NEAREST,
}
MOST_SIDE = 8192
_FIELDS: Mapping[str, tuple[str, Any]] = {
    "resize_mode": ("int", 0),
    "show_extras_results": ("bool", True),
    "gfpgan_visibility": ("float", 0.0),
    "codeformer_visibility": ("float", 0.0),
    "codeformer_weight": ("float", 0.0),
    "upscaling_resize": ("float", 2.0),
    "upscaling_resize_w": ("int", 512),
    "upscaling_resize_h": ("int", 512),
    "upscaling_crop": ("bool", True),
    "upscaler_1": ("str", "None"),
    "upscaler_2": ("str", "None"),
    "extras_upscaler_2_visibility": ("float", 0.0),
    "upscale_first": ("bool", False),
}
_FACES = ("gfpgan_visibility", "codeformer_visibility")


class Enlarging(NamedTuple):
    """How pictures are made larger.

    Attributes:
        scale: how many times; None where `size` says how large.
        size: (width, height) in pixels.
        crop: whether what is beyond `size` is cut off.
        first, second: names of `UPSCALERS`.
        share: of the second in the result, from 0 to 1.
    """

    scale: float | None
    size: tuple[int, int]
    crop: bool
    first: str
    second: str
    share: float
    shown: bool


def enlarging(sent: Mapping[str, Any]) -> Enlarging:
    """What a call asks for.

    Raises:
        ApiError: It needs a model, or a value is out of range.
    """
    said = {name: _read(name, sent.get(name)) for name in _FIELDS}
    face = next((name for name in _FACES if said[name]), None)
    if face is not None:
        raise refused(f"{face} must be 0: kakusan restores no faces; leave it out")
    if said["resize_mode"] not in (0, 1):
        raise refused(f"resize_mode must be 0 or 1, not {said['resize_mode']}")
    if not 1.0 <= said["upscaling_resize"] <= 8.0:
        raise refused(f"upscaling_resize must be from 1 to 8, not {said['upscaling_resize']:g}")
    size = (said["upscaling_resize_w"], said["upscaling_resize_h"])
    if min(size) < 1 or max(size) > MOST_SIDE:
        raise refused(f"upscaling_resize_w and _h must be from 1 to {MOST_SIDE}, not {size}")
    if not 0.0 <= said["extras_upscaler_2_visibility"] <= 1.0:
        raise refused("extras_upscaler_2_visibility must be from 0 to 1")
    return Enlarging(
        said["upscaling_resize"] if said["resize_mode"] == 0 else None,
        size,
        said["upscaling_crop"],
        _upscaler("upscaler_1", said["upscaler_1"]),
        _upscaler("upscaler_2", said["upscaler_2"]),
        said["extras_upscaler_2_visibility"],
        said["show_extras_results"],
    )


def enlarged(image: Image.Image, how: Enlarging) -> Image.Image:
    """The picture, made larger; as it is where no upscaler is named.

    Raises:
        ApiError: It would be larger than what is made.
    """
    first = _by(image, how.first, how)
    if how.second == "None" or how.share == 0:
        return first
    other = _by(image, how.second, how)
    if other.size != first.size:  # one of them is no upscaler
        other = other.resize(first.size, Image.Resampling.LANCZOS)
    return Image.blend(first, other, how.share)


def _by(image: Image.Image, upscaler: str, how: Enlarging) -> Image.Image:
    kind = UPSCALERS[upscaler]
    if kind is None:
        return image
    width, height = how.size
    scale = how.scale
    if scale is None:
        sides = (width / image.width, height / image.height)
        scale = max(sides) if how.crop else min(sides)
    size = (max(int(image.width * scale), 1), max(int(image.height * scale), 1))
    if max(size) > MOST_SIDE:
        raise refused(
            f"a picture of {size[0]}x{size[1]} pixels is too large; at most {MOST_SIDE} are made "
            "along a side"
        )
    larger = image.resize(size, kind)
    if how.scale is None and how.crop and larger.size != how.size:
        return resized(larger, width, height, "crop")
    return larger


def _upscaler(field: str, name: str) -> str:
    found = next((each for each in UPSCALERS if each.casefold() == name.casefold()), None)
    if found is None:
        raise refused(
            f"{field}: Upscaler not found: {shown(name)}; there are {', '.join(UPSCALERS)}"
        )
    return found


def _read(name: str, sent: object) -> Any:
    kind, default = _FIELDS[name]
    if sent is None:
        return default
    try:
        return READERS[kind](sent)
    except (TypeError, ValueError, OverflowError):
        raise refused(f"{name} cannot be {shown(sent)}") from None
