"""Networks that steer a call, and the pictures that they are shown, in whatever form."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from kakusan.errors import ArgumentError
from kakusan.images.resizing import resized
from kakusan.images.upright import over_white
from kakusan.inputs.pictures import Given, given_pictures
from kakusan.models import Model
from kakusan.request import PictureFile


@dataclass(frozen=True, eq=False)
class ControlPictures:
    """What a network that steers is shown: pictures, or numbers that are taken as they are.

    Attributes:
        images: of PIL; None where they came as numbers.
        values: shape (n, c, h, w), float32, in [0, 1]; a ControlNet that repaints reads -1 as what
            is to be painted.
    """

    images: Given | None = None
    values: Tensor | None = None

    def __len__(self) -> int:
        return len(self.images) if self.images is not None else len(self._numbers)

    @property
    def _numbers(self) -> Tensor:
        assert self.values is not None
        return self.values

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """Width and height of each in pixels."""
        if self.images is not None:
            return self.images.sizes
        return [(self._numbers.shape[-1], self._numbers.shape[-2])] * len(self._numbers)

    def pixels(self, width: int, height: int, mode: str, channels: int) -> Tensor:
        """What the network reads, shape (n, channels, height, width), float32 on the CPU.

        Args:
            mode: see `kakusan.images.resizing`; numbers are stretched to the nearest ones.

        Raises:
            InputError: They have another number of channels, or cannot be brought to the size.
        """
        if self.images is None:
            return self._of_numbers(width, height, channels)
        pairs = zip(self.images.images, self.images.words, strict=True)
        sized = [resized(over_white(each), width, height, mode, said) for each, said in pairs]
        arrays = [np.asarray(_of_channels(image, channels)) for image in sized]
        stacked = np.stack([each[..., None] if each.ndim == 2 else each for each in arrays])
        return torch.from_numpy(stacked.transpose(0, 3, 1, 2).astype(np.float32) / 255.0)

    def _of_numbers(self, width: int, height: int, channels: int) -> Tensor:
        values = self._numbers
        if values.shape[1] != channels and values.shape[1] == 1:
            values = values.expand(-1, channels, -1, -1)
        if values.shape[1] != channels:
            raise ArgumentError(
                f"the control picture has {values.shape[1]} channels; this network takes {channels}"
            )
        if values.shape[-2:] != (height, width):
            values = F.interpolate(values, size=(height, width))
        return values

    def files(self) -> tuple[PictureFile, ...]:
        """How records tell of them."""
        if self.images is not None:
            return self.images.files()
        found: list[PictureFile] = []
        for picture in self._numbers:
            channels, height, width = picture.shape
            head = f"{width}x{height}x{channels} float32 as it is\n".encode()
            digest = hashlib.sha256(head + picture.contiguous().numpy().tobytes()).hexdigest()
            found.append(PictureFile(digest, width, height))
        return tuple(found)


@dataclass(frozen=True, eq=False)
class ControlInput:
    """One network that steers, and what it is shown.

    Attributes:
        net: None where the request names it, and it is yet to be loaded.
    """

    net: Model[Any] | None
    pictures: ControlPictures


def control_pictures(name: str, value: object, *, files: bool = False) -> ControlPictures:
    """What a caller hands in for one network.

    Args:
        name: of the argument, for messages.
        files: whether paths are taken.

    Raises:
        InputError: It is missing, no picture, broken, or several that are not alike.
    """
    if isinstance(value, ControlPictures):
        return value
    several = list(cast("Sequence[object]", value)) if isinstance(value, list | tuple) else [value]
    if several and all(isinstance(each, Tensor | np.ndarray) for each in several):
        return ControlPictures(values=_numbers_of(name, cast("list[Any]", several)))
    given = given_pictures(name, value, files=files)
    if given is None:
        raise ArgumentError(f"{{{name}}} is missing: give the picture that steers")
    return ControlPictures(given)


def _numbers_of(name: str, several: list[Any]) -> Tensor:
    batches = [_batch_of(name, each) for each in several]
    if len({each.shape[1:] for each in batches}) > 1:
        raise ArgumentError(f"the pictures given as {{{name}}} are of different sizes")
    values = torch.cat(batches)
    if not len(values) or not torch.isfinite(values).all():
        raise ArgumentError(f"{{{name}}} holds NaN or infinity, or nothing at all")
    lowest, highest = float(values.min()), float(values.max())
    if lowest < -1.0 or highest > 1.0:
        raise ArgumentError(
            f"{{{name}}} has values from {lowest:g} to {highest:g}; floats are taken in [0, 1], "
            "and whole numbers up to 255 as uint8"
        )
    return values


def _batch_of(name: str, given: Any) -> Tensor:
    """Shape (n, c, h, w), in [0, 1]: of arrays the channels come last."""
    is_array = isinstance(given, np.ndarray)
    value = torch.from_numpy(np.ascontiguousarray(given)) if is_array else cast(Tensor, given)
    value = value.detach().cpu()
    if value.ndim == 2:
        value = value[..., None] if is_array else value[None]
    value = value[None] if value.ndim == 3 else value
    if value.ndim != 4:
        raise ArgumentError(
            f"{{{name}}} has the shape {{0}}; a picture has two sides and channels",
            tuple(given.shape),
        )
    value = value.permute(0, 3, 1, 2) if is_array else value
    return value.float() / 255.0 if value.dtype == torch.uint8 else value.float()


def _of_channels(image: Image.Image, channels: int) -> Image.Image:
    if channels not in (1, 3):
        raise ArgumentError(
            f"this network reads pictures of {channels} channels; give it a tensor of as many"
        )
    return image.convert("L" if channels == 1 else "RGB")
