"""Masks that are handed in: their levels, and how records tell of them."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Self, cast

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from kakusan.errors import ArgumentError, kind_of
from kakusan.images.opening import check_size
from kakusan.images.upright import plain, plain_from
from kakusan.inputs import shapes
from kakusan.inputs.pictures import Given, told
from kakusan.inputs.shapes import FORMS, Levels
from kakusan.request import PictureFile

_INVERTED = "inverted "  # before the name of a shape


@dataclass(frozen=True, eq=False)
class Masks:
    """One mask, or several.

    Attributes:
        levels: of each, from 0, which stays, to 1, which is drawn anew; shape (h, w), float32.
        names: of their files, or the shapes that they are; None where they came from neither.
    """

    levels: tuple[Levels, ...]
    names: tuple[str | None, ...]

    def __len__(self) -> int:
        return len(self.levels)

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """Width and height of each."""
        return [(each.shape[1], each.shape[0]) for each in self.levels]

    @property
    def images(self) -> list[Image.Image]:
        """As pictures of 8 bits, in the mode L."""
        return [Image.fromarray(_bytes_of(each)) for each in self.levels]

    def files(self) -> tuple[PictureFile, ...]:
        """How records tell of them."""
        each = zip(self.levels, self.sizes, self.names, strict=True)
        return tuple(PictureFile(_hash_of(levels), *size, name) for levels, size, name in each)

    def inverted(self) -> Self:
        """With white for black."""
        names = [
            f"{_INVERTED}{name}" if shapes.is_shape(name) and name != shapes.ALPHA else name
            for name in self.names
        ]
        return type(self)(tuple(1.0 - each for each in self.levels), tuple(names))


def given_masks(
    name: str, value: object, *, files: bool = False, picture: Given | None = None
) -> Masks | None:
    """What a caller hands in as masks; None for None.

    Args:
        name: of the argument, for messages.
        files: whether paths and shapes are taken, and a mask's own transparency counts; else the
            forms of the reference alone.
        picture: which shapes are drawn in, and whose transparency "alpha" is.

    Raises:
        InputError: It is no mask, broken, or too large.
    """
    if value is None or isinstance(value, Masks):
        return value
    found, names = list[Levels](), list[str | None]()
    several = shapes.listed(value)
    if not several:
        raise ArgumentError(f"{{{name}}} is an empty list; give at least one mask")
    for each in several:
        for levels, called in _levels_of(name, each, files=files, picture=picture):
            found.append(levels)
            names.append(called)
    return Masks(tuple(found), tuple(names))


def _levels_of(
    name: str, value: object, *, files: bool, picture: Given | None
) -> list[tuple[Levels, str | None]]:
    if isinstance(value, Tensor | np.ndarray):
        numbers = cast("Tensor | npt.NDArray[Any]", value)
        levels = shapes.of_numbers(name, numbers)
        check_size((levels.shape[2], levels.shape[1]), "the mask")
        return [(each, None) for each in levels]
    if isinstance(value, Image.Image):
        check_size(value.size, "the mask")
        image = plain(value, "the mask")
        return [(shapes.of_image(image if files else image.convert("RGB")), None)]
    if files and isinstance(value, str) and shapes.is_shape(value):
        return [(_drawn(name, value, picture), value)]
    if files and isinstance(value, str | PathLike):
        path = Path(fspath(cast("str | PathLike[str]", value))).expanduser()
        return [(shapes.of_image(plain_from(path)), path.name)]
    forms = (
        f"{FORMS}, the path of a file, alpha, box:x,y,w,h or ellipse:x,y,w,h" if files else FORMS
    )
    raise ArgumentError(
        f"{{{name}}} must be {forms}, or several in a list, not {{0}}", kind_of(value)
    )


def _drawn(name: str, shape: str, picture: Given | None) -> Levels:
    if picture is None or picture.latents is not None:
        raise ArgumentError(f"{{{name}}} is {{0}}, a part of {{image}}, and there is none", shape)
    if shape != shapes.ALPHA:
        return shapes.drawn(name, shape, picture.sizes[0])
    found = shapes.of_transparency(picture.images[0]) if picture.images else None
    if found is None:
        raise ArgumentError(
            f"{{{name}}} is {shapes.ALPHA}, and nothing of {{0}} is transparent; give a mask",
            picture.words[0],
        )
    return found


def masks_again(name: str, recorded: Sequence[PictureFile], handed_in: Given | None) -> Masks:
    """Of pictures that were handed in, in any order, the masks that a record tells of.

    Shapes are drawn again. A mask may have been turned to its opposite, or be the transparency of
    the picture.

    Raises:
        ArgumentError: One is not among them.
    """
    parts = [] if handed_in is None or handed_in.latents is not None else handed_in.parts()
    found: list[Levels] = []
    for asked in recorded:
        candidates = [*_shapes_again(asked), *(each for part in parts for each in _masks_in(part))]
        fitting = (each for each in candidates if _hash_of(each) == asked.sha256)
        levels = next(fitting, None)
        if levels is None:
            raise ArgumentError(
                f"the picture was made with the mask {{0}}, which is not handed in; give it as "
                f"{{{name}}}",
                told(asked),
            )
        found.append(levels)
    return Masks(tuple(found), tuple(each.name for each in recorded))


def is_mask_of(picture: Given, file: PictureFile) -> bool:
    """Whether one picture, its opposite or its transparency is the mask that a record tells of."""
    return any(_hash_of(each) == file.sha256 for each in _masks_in(picture))


def check_masks_again(recorded: Sequence[PictureFile], found: Masks | None) -> None:
    """See that the masks which a request tells of were handed in.

    Raises:
        ArgumentError: One is missing or another.
    """
    if found is None:
        raise ArgumentError(
            "the request needs the mask {0}, which is not handed in; give it as {mask}",
            told(recorded[0]),
        )
    if [each.sha256 for each in found.files()] != [each.sha256 for each in recorded]:
        raise ArgumentError(
            "{mask} is the mask {0}, and the request needs {1}; give that one",
            told(found.files()[0]),
            told(recorded[0]),
        )


def _shapes_again(asked: PictureFile) -> Iterator[Levels]:
    shape = (asked.name or "").removeprefix(_INVERTED)
    if shapes.is_shape(shape) and shape != shapes.ALPHA:
        check_size((asked.width, asked.height), "the mask")
        levels = shapes.drawn("mask", shape, (asked.width, asked.height))
        yield from (levels, 1.0 - levels)


def _masks_in(part: Given) -> Iterator[Levels]:
    if part.values is not None:
        grey: Levels = (part.values.mean(dim=1)[0] / 2 + 0.5).numpy()
        yield from (grey, 1.0 - grey)
        return
    for levels in (shapes.of_image(part.images[0]), shapes.of_transparency(part.images[0])):
        if levels is not None:
            yield from (levels, 1.0 - levels)


def _bytes_of(levels: Levels) -> npt.NDArray[np.uint8]:
    return np.rint(levels * np.float32(255.0)).astype(np.uint8)


def _hash_of(levels: Levels) -> str:
    """Of the pixels where they are of 8 bits, else of the numbers."""
    rounded = _bytes_of(levels)
    head = f"{levels.shape[1]}x{levels.shape[0]}"
    if np.abs(rounded.astype(np.float32) / np.float32(255.0) - levels).max() < 1e-6:
        return hashlib.sha256(f"{head} L\n".encode() + rounded.tobytes()).hexdigest()
    return hashlib.sha256(f"{head} float32 mask\n".encode() + levels.tobytes()).hexdigest()


def as_tensor(levels: Sequence[Levels]) -> Tensor:
    """Masks of one size together, shape (n, 1, h, w)."""
    return torch.from_numpy(np.stack(levels))[:, None]
