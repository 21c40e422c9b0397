"""What networks that steer are shown: control pictures at the size and place that is drawn."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from kakusan.errors import ArgumentError
from kakusan.images.masking import Levels, cut_out
from kakusan.images.preprocessing import preprocessed
from kakusan.images.resizing import resized
from kakusan.images.upright import over_white
from kakusan.inputs import ControlPictures, Inputs
from kakusan.request import ControlAsked, Request
from kakusan.request.controls import row_of
from kakusan.request.preprocessors import RAW, Made, made_by
from kakusan.steering.canvas import Canvas, drawn_box, resized_levels, whole_canvas
from kakusan.steering.masked import is_masked

INPAINT = "inpaint"
_HALF = 0.5


@dataclass(frozen=True, eq=False)
class Hint:
    """A control picture as a network is shown it.

    Attributes:
        picture: in RGB, at the size that is drawn.
        painted: where it is to be painted, shape as the picture; None for nowhere.
    """

    picture: Image.Image
    painted: Levels | None = None

    def values(self, channels: int) -> Tensor:
        """Shape (1, channels, h, w), in [0, 1], and -1 where it is to be painted."""
        array = np.asarray(self.picture.convert("L" if channels == 1 else "RGB"), np.float32)
        array = (array[..., None] if array.ndim == 2 else array) / np.float32(255)
        if self.painted is not None:
            array = np.where(self.painted[..., None] > _HALF, np.float32(-1), array)
        return torch.from_numpy(np.ascontiguousarray(array.transpose(2, 0, 1)))[None]

    def seen(self) -> Image.Image:
        """For people; what is to be painted is black."""
        if self.painted is None:
            return self.picture
        levels = np.where(self.painted[..., None] > _HALF, 0, np.asarray(self.picture))
        return Image.fromarray(levels.astype(np.uint8))


def shown_to(
    asked: ControlAsked,
    given: ControlPictures,
    request: Request,
    inputs: Inputs,
    channels: int,
    factor: int,
) -> Tensor:
    """What a network reads, shape (n, channels, height, width), a row for each that was given.

    Args:
        request: with the size that is drawn.
        factor: pixels along one side of a latent.

    Raises:
        InputError: They have another number of channels, or cannot be brought to the size.
    """
    made = _made(asked)
    if given.images is None or (made.name == RAW and not _is_cut(request, inputs)):
        assert request.width is not None
        assert request.height is not None
        return given.pixels(request.width, request.height, asked.resize_mode, channels)
    if channels not in (1, 3):
        raise ArgumentError(
            f"this network reads pictures of {channels} channels; give it a tensor of as many"
        )
    return torch.cat([h.values(channels) for h in hints(asked, given, request, inputs, factor)])


def hints(
    asked: ControlAsked, given: ControlPictures, request: Request, inputs: Inputs, factor: int
) -> Sequence[Hint]:
    """The control pictures made of those that were given, which are no numbers.

    Raises:
        InputError: One cannot be brought to the size, or has nothing that is to be painted.
    """
    assert given.images is not None
    made = _made(asked)
    images, words = given.images.images, given.images.words
    count, per_prompt = request.num_pictures, request.num_images_per_prompt
    masks = 1 if inputs.mask is None else len(inputs.mask)
    if not _is_cut(request, inputs):
        masks = 1
    rows = [*range(len(images))]
    if masks > 1:  # each picture's own part is another
        rows = [row_of(index, len(images), per_prompt, count) for index in range(count)]
    found: list[Hint] = []
    for index, row in enumerate(rows):
        place = _Place.of(request, inputs, index, factor)
        found.append(place.hint(images[row], made, asked.resize_mode, words[row]))
    return found


def _made(asked: ControlAsked) -> Made:
    return made_by(asked.kind or RAW)


def _is_cut(request: Request, inputs: Inputs) -> bool:
    """Whether what is drawn is a part of a picture, or lies on one of another size."""
    return request.pastes_back and is_masked(request, inputs)


@dataclass(frozen=True, eq=False)
class _Place:
    """Where one picture is drawn.

    Attributes:
        size: width and height that are drawn.
        whole: those of the picture that is drawn over; None where all of it is drawn.
        box: which part of that it is.
        levels: of the mask at the size that is drawn; None where there is none.
    """

    size: tuple[int, int]
    whole: tuple[int, int] | None = None
    box: tuple[int, int, int, int] | None = None
    levels: Levels | None = None

    @classmethod
    def of(cls, request: Request, inputs: Inputs, index: int, factor: int) -> "_Place":
        assert request.width is not None
        assert request.height is not None
        size = (request.width, request.height)
        if not _is_cut(request, inputs):
            mask = inputs.mask
            if mask is None:
                return cls(size)
            levels = mask.levels[index % len(mask)]
            mode = request.resize_mode or "crop"
            return cls(size, levels=resized_levels(levels, *size, mode))
        image, levels = whole_canvas(request, inputs, index)
        box = drawn_box(request, levels, factor)
        _, cut = Canvas(image, levels, box).cut(*size)
        return cls(size, image.size, box, cut)

    def hint(self, image: Image.Image, made: Made, mode: str, said: str) -> Hint:
        sized = self._sized(over_white(image), mode, said)
        picture = preprocessed(sized, made.name, made.values)
        if made.name != INPAINT:
            return Hint(picture)
        painted = self.levels
        if image.mode == "RGBA":
            alpha = self._sized(image.getchannel("A"), mode, said)
            clear = 1 - _levels_of(alpha)
            painted = clear if painted is None else np.maximum(painted, clear)
        if painted is None:
            raise ArgumentError(
                "{controls}: inpaint needs to know what is to be painted, and nothing of {0} is "
                "transparent; give {mask}, or a picture that is transparent there",
                said,
            )
        return Hint(picture, painted)

    def _sized(self, image: Image.Image, mode: str, said: str) -> Image.Image:
        if self.whole is None or self.box is None:
            return resized(image, *self.size, mode, said)
        return resized(
            cut_out(resized(image, *self.whole, mode, said), self.box), *self.size, "fill"
        )


def _levels_of(image: Image.Image) -> Levels:
    return np.asarray(image, np.float32) / np.float32(255)
