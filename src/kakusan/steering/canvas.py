"""What is drawn of a picture and its mask: the part that is cut out, and how it is pasted back."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from kakusan.images import to_pil
from kakusan.images.masking import (
    Box,
    Levels,
    blurred,
    box_around,
    cut_out,
    edge_levels,
    filled,
    in_shape,
)
from kakusan.images.resizing import resized
from kakusan.images.upright import over_white
from kakusan.inputs import Given, Inputs
from kakusan.request import Request
from kakusan.request.masks import FEATHER, SIDES

_HALF = 0.5
_LEAST = 0.02  # of an edge that is feathered
# Of what is drawn around a mask: a longer strip would be no shape that models know
_LONGEST_SHAPE = 2.0


@dataclass(frozen=True, eq=False)
class Canvas:
    """One picture at its own size, or enlarged, and which part of it is drawn.

    Attributes:
        picture: in RGB.
        levels: of its mask, blurred where asked; shape as `picture`.
        box: what is drawn; it may go beyond the picture on the right and below.
    """

    picture: Image.Image
    levels: Levels
    box: Box

    def cut(self, width: int, height: int) -> tuple[Image.Image, Levels]:
        """The part that is drawn and its mask, at the size that is drawn."""
        mask = Image.fromarray(_bytes_of(self.levels))
        left, top, right, bottom = self.box
        beyond = Image.new("L", (right - left, bottom - top))  # of which nothing is asked
        beyond.paste(mask.crop((left, top, min(right, mask.width), min(bottom, mask.height))))
        part = cut_out(self.picture, self.box)
        return (
            resized(part, width, height, "fill"),
            np.asarray(resized(beyond, width, height, "fill"), np.float32) / np.float32(255),
        )

    def pasted(self, pixels: Tensor, share: Levels, *, truncated: bool) -> Tensor:
        """The whole picture with what was drawn in its place.

        Args:
            pixels: that were drawn, shape (1, 3, h, w), in [-1, 1].
            share: how much of each pixel is new, shape as the picture; where it is 0, the old one
                stays to the bit.
            truncated: whether pixels will be cut off to levels.
        """
        left, top, right, bottom = self.box
        pixels = pixels.float()  # half precision has not all levels
        if pixels.shape[-2:] != (bottom - top, right - left):
            part = to_pil(pixels)[0]
            pixels = _values_of(resized(part, right - left, bottom - top, "crop")).to(pixels)
        # between two levels, so that neither way to round changes it
        old = _values_of(self.picture, 0.25 if truncated else 0.0).to(pixels)
        right, bottom = min(right, self.picture.width), min(bottom, self.picture.height)
        new = old.clone()
        new[..., top:bottom, left:right] = pixels[..., : bottom - top, : right - left]
        of_new = torch.from_numpy(share)[None, None].to(pixels)
        return torch.where(of_new == 0, old, new * of_new + old * (1 - of_new))


def whole_canvas(request: Request, inputs: Inputs, index: int) -> tuple[Image.Image, Levels]:
    """Picture `index` at its own size, or enlarged, and its mask, blurred and feathered."""
    given = inputs.image
    assert given is not None
    image = images_of(given)[index % len(given)]
    levels = np.zeros((image.height, image.width), np.float32)
    if inputs.mask is not None:
        levels = blurred_of(request, inputs.mask.levels[index % len(inputs.mask)])
    if request.outpaint is None:
        return image, levels
    left, right, up, down = (request.outpaint.get(side, 0) for side in SIDES)
    feather = request.outpaint.get(FEATHER, 0)
    edge = edge_levels(image.size, left, up, right, down, feather)
    box = (-left, -up, image.width + right, image.height + down)
    levels = np.pad(levels, ((up, down), (left, right)))
    return cut_out(image, box), np.maximum(levels, edge)


def blurred_of(request: Request, levels: Levels) -> Levels:
    """A mask with the edge that is asked for."""
    return blurred(levels, request.mask_blur) if request.mask_blur else levels


def images_of(given: Given) -> list[Image.Image]:
    """The pictures that were handed in, in RGB; there are no latents among them."""
    if given.values is not None:
        return to_pil(given.values)
    return [over_white(image) for image in given.images]


def part_size(levels: Levels, padding: int, pixels: int) -> tuple[float, float]:
    """How large the part around a mask is drawn, (width, height): of so many pixels, in its shape.

    Args:
        padding: pixels on each side of it.
    """
    box = box_around(levels, padding) or (0, 0, levels.shape[1], levels.shape[0])
    ratio = (box[2] - box[0]) / (box[3] - box[1])
    ratio = min(max(ratio, 1 / _LONGEST_SHAPE), _LONGEST_SHAPE)
    return (pixels * ratio) ** 0.5, (pixels / ratio) ** 0.5


def drawn_box(request: Request, levels: Levels, factor: int) -> Box:
    """What is drawn of a picture with this mask at the size that the request has.

    Args:
        factor: pixels along one side of a latent.
    """
    height, width = levels.shape
    assert request.width is not None
    assert request.height is not None
    size = (request.width, request.height)
    found = None if request.only_masked is None else box_around(levels, request.only_masked)
    if found is not None:
        return in_shape(found, size, (width, height))
    # what a multiple lacks is drawn beyond the picture, so that no pixel of it moves
    if size == (rounded_up(width, factor), rounded_up(height, factor)):
        return (0, 0, *size)
    return (0, 0, width, height)


def rounded_up(side: int, factor: int) -> int:
    return -(-side // factor) * factor


def share_of(request: Request, levels: Levels) -> Levels:
    """How much of each pixel is new in the end, by AUTOMATIC1111's rules."""
    if request.only_masked is not None or (request.mask_blur is None and request.outpaint is None):
        return levels
    return np.clip(levels * 2, 0.0, 1.0)


def latent_mask(request: Request, levels: Tensor, factor: int) -> Tensor:
    """Masks (n, 1, height, width) as the loop has them, (n, 1, h, w)."""
    size = (levels.shape[-2] // factor, levels.shape[-1] // factor)
    if request.outpaint is not None and not request.soft_mask:  # all that is blended at the end
        return F.interpolate((levels > _LEAST).float(), size=size, mode="area").round()
    if request.mask_blur is None:
        if request.soft_mask:
            return F.interpolate(levels, size=size, mode="area")
        return F.interpolate((levels >= _HALF).float(), size=size)
    resample = Image.Resampling.BICUBIC
    small = [
        np.asarray(Image.fromarray(_bytes_of(each[0].numpy())).resize((size[1], size[0]), resample))
        for each in levels
    ]
    found = torch.from_numpy(np.stack(small)[:, None].astype(np.float32) / 255)
    return found if request.soft_mask else found.round()


def resized_levels(levels: Levels, width: int, height: int, mode: str) -> Levels:
    """A mask at the size that is drawn, as its picture comes to it."""
    if levels.shape == (height, width):
        return levels
    image = resized(Image.fromarray(_bytes_of(levels)), width, height, mode, "the mask")
    return np.asarray(image, np.float32) / np.float32(255)


def content_of(request: Request, image: Image.Image, levels: Levels) -> Image.Image:
    """A picture with what its masked part begins as."""
    return image if request.masked_content in (None, "original") else filled(image, levels)


def hidden(pixels: Tensor, levels: Tensor) -> Tensor:
    """Pictures (n, 3, h, w) that are grey where masks (n, 1, h, w) cover them."""
    return pixels * (levels < _HALF)


def values_of(image: Image.Image) -> Tensor:
    """A picture in RGB as the VAE takes it, (1, 3, h, w) in [-1, 1]."""
    return _values_of(image)


def _values_of(image: Image.Image, more: float = 0.0) -> Tensor:
    levels = np.asarray(image, np.float32).transpose(2, 0, 1)[None]
    return torch.from_numpy((levels + np.float32(more)) / np.float32(255)) * 2 - 1


def _bytes_of(levels: Levels) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    return np.rint(levels * 255).astype(np.uint8)
