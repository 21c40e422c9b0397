"""Pictures and masks that a graph loads and scales, computed as ComfyUI does."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from kakusan.errors import RequestError
from kakusan.images.foreign.comfyui.graph import Graph, Node
from kakusan.images.opening import MOST_PIXELS
from kakusan.request import SIZE_STEP
from kakusan.server.dialects.comfyui.refusals import not_drawn_at

# What `/upload` gave a name, opened: in RGB or RGBA, upright
Opened = Callable[[str], Image.Image]
_AFFINE, _BOX = Image.Transform.AFFINE, Image.Resampling.BOX
_BILINEAR, _BICUBIC = Image.Resampling.BILINEAR, Image.Resampling.BICUBIC
_EMPTY_MASK = (64, 64)  # of a picture without transparency
_HALF = 128
_MOST_STEPS = 20  # of scaling


class Scaled(NamedTuple):
    """To another size; a side of 0 follows from the other, and both are as they are."""

    method: str
    width: int
    height: int
    cropped: bool


class Multiplied(NamedTuple):
    """So many times as large."""

    method: str
    by: float


class Pixels(NamedTuple):
    """A picture that was sent, and what is done to it then."""

    name: str
    steps: tuple[Scaled | Multiplied, ...] = ()


class Mask(NamedTuple):
    """What a channel of a picture covers; of "alpha" what is transparent."""

    name: str
    channel: str


def pixels_at(graph: Graph, node: Node, name: str) -> Pixels:
    """Where an input's picture comes from."""
    steps: list[Scaled | Multiplied] = []
    while True:
        found = graph.linked(node, name)
        assert found is not None
        node, name = found[0], "image"
        if node.kind == "LoadImage":
            return Pixels(str(node.inputs["image"]), tuple(steps[::-1]))
        if node.kind not in ("ImageScale", "ImageScaleBy") or len(steps) > _MOST_STEPS:
            raise not_drawn_at(node.id, node.kind, "a picture to begin at is one that was sent")
        method = str(node.inputs["upscale_method"])
        if node.kind == "ImageScaleBy":
            steps.append(Multiplied(method, float(_number(node, "scale_by"))))
            continue
        width, height = int(_number(node, "width")), int(_number(node, "height"))
        steps.append(Scaled(method, width, height, node.inputs["crop"] == "center"))


def mask_at(graph: Graph, node: Node, name: str) -> Mask:
    """Where an input's mask comes from."""
    found = graph.linked(node, name)
    assert found is not None
    channel = found[0].inputs.get("channel", "alpha")
    return Mask(str(found[0].inputs["image"]), str(channel))


def picture_of(pixels: Pixels, opened: Opened) -> Image.Image:
    """The picture in RGB; what is transparent keeps its colour, as in ComfyUI.

    Raises:
        RequestError: A size on the way is too large.
    """
    image = opened(pixels.name).convert("RGB")
    for step in pixels.steps:
        if isinstance(step, Multiplied):
            width, height = round(image.width * step.by), round(image.height * step.by)
        elif not step.width and not step.height:
            continue
        else:
            width = step.width or max(1, round(image.width * step.height / image.height))
            height = step.height or max(1, round(image.height * step.width / image.width))
            image = _cropped(image, width, height) if step.cropped else image
        image = _scaled(image, step.method, width, height)
    return image


def mask_of(mask: Mask, opened: Opened) -> Image.Image:
    """Its levels, white where the picture is drawn anew."""
    image = opened(mask.name)
    if mask.channel != "alpha":
        return image.convert("RGB").getchannel(mask.channel[0].upper())
    if "A" not in image.getbands():
        return Image.new("L", _EMPTY_MASK)
    return image.getchannel("A").point([255 - level for level in range(256)])


def as_latents_see(image: Image.Image) -> Image.Image:
    """A picture cut at all sides to whole latents."""
    width, height = (side - side % SIZE_STEP for side in image.size)
    if not width or not height:
        raise RequestError(f"a picture of {image.width}x{image.height} pixels is too small")
    left, top = (side % SIZE_STEP // 2 for side in image.size)
    return image.crop((left, top, left + width, top + height))


def masked(image: Image.Image, mask: Image.Image) -> Image.Image:
    """The mask of latents of such a picture, each of them a block of pixels."""
    rows, columns = image.height // SIZE_STEP, image.width // SIZE_STEP
    return _sampled(mask, columns, rows, _BILINEAR).resize(image.size, Image.Resampling.NEAREST)


def hidden(image: Image.Image, mask: Image.Image, grown: int) -> tuple[Image.Image, Image.Image]:
    """A picture that is grey under its mask, and the mask grown; both cut to whole latents."""
    levels = np.asarray(_sampled(mask, *image.size, _BILINEAR)) >= _HALF
    grey = Image.new("RGB", image.size, (_HALF,) * 3)
    over = Image.fromarray(levels.astype(np.uint8) * 255)
    covered = as_latents_see(Image.composite(grey, image, over))
    left, top = (side % SIZE_STEP // 2 for side in image.size)
    levels = levels[top : top + covered.height, left : left + covered.width]
    more = Image.fromarray(_grown(levels, grown).astype(np.uint8) * 255)
    return covered, masked(covered, more)


def _grown(levels: npt.NDArray[np.bool_], by: int) -> npt.NDArray[np.bool_]:
    """Where a square of so many pixels, around each, has something of the mask."""
    if by < 2:
        return levels
    back = math.ceil((by - 1) / 2)
    for axis in (0, 1):
        around = [(0, 0), (0, 0)]
        around[axis] = (back, by - 1 - back)
        padded = np.pad(levels, around)
        windows = np.lib.stride_tricks.sliding_window_view(padded, by, axis=axis)
        levels = np.asarray(windows.any(axis=-1))
    return levels


def _cropped(image: Image.Image, width: int, height: int) -> Image.Image:
    """The middle of a picture, in this shape."""
    old, new, x, y = image.width / image.height, width / height, 0, 0
    if old > new:
        x = round((image.width - image.width * (new / old)) / 2)
    elif old < new:
        y = round((image.height - image.height * (old / new)) / 2)
    return image.crop((x, y, image.width - x, image.height - y))


def _scaled(image: Image.Image, method: str, width: int, height: int) -> Image.Image:
    if width < 1 or height < 1 or width * height > MOST_PIXELS:
        raise RequestError(f"a picture is not scaled to {width}x{height} pixels")
    if image.size == (width, height):
        return image
    if method in ("bilinear", "bicubic"):
        return _sampled(image, width, height, _BILINEAR if method == "bilinear" else _BICUBIC)
    if method == "nearest-exact":
        rows, columns = _nearest(image.height, height), _nearest(image.width, width)
        return Image.fromarray(np.asarray(image)[rows][:, columns])
    return image.resize((width, height), _BOX if method == "area" else Image.Resampling.LANCZOS)


def _nearest(side: int, wanted: int) -> npt.NDArray[np.intp]:
    """Which pixel of a side lies under the middle of each that is wanted."""
    middles = (np.arange(wanted) + 0.5) * (side / wanted)
    return np.minimum(middles.astype(np.intp), side - 1)


def _sampled(image: Image.Image, width: int, height: int, by: Image.Resampling) -> Image.Image:
    """A picture looked at in so many points, without a mean of what lies between them."""
    if image.size == (width, height):
        return image
    steps = (image.width / width, 0, 0, 0, image.height / height, 0)
    return image.transform((width, height), _AFFINE, steps, by)


def _number(node: Node, name: str) -> float:
    value = node.inputs[name]
    assert isinstance(value, int | float)
    return value
