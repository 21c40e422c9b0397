"""Pictures that are handed in, in whatever form: their pixels, and how records tell of them.

One rule for all: a file, and what PIL has just opened, is turned as its EXIF orientation says; what
is transparent is laid over white; palettes, greys, CMYK and 16 bits become RGB of 8 bits. Arrays
and tensors of floats are taken in [0, 1], or where one is negative, in [-1, 1], as in the
reference; whole numbers as uint8. A tensor of other than 1 or 3 channels is latents.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from kakusan.errors import ArgumentError, kind_of, shown
from kakusan.images.conversion import to_pil
from kakusan.images.opening import check_size
from kakusan.images.resizing import resized
from kakusan.images.upright import over_white, plain, plain_from
from kakusan.inputs.tensors import check_tensor
from kakusan.request import PictureFile

# One of them each; a list of them, all of one form, is several pictures
FORMS = "a picture of PIL's, an array (h, w, c), or a tensor (c, h, w)"
_FURTHEST = 2.0  # from 0, of floats; resampling and decoding go a little beyond 1
_ON_GREY = (1, 3)  # channels of pictures


@dataclass(frozen=True, eq=False)
class Given:
    """One picture or several, of one of three kinds.

    Attributes:
        images: in the mode RGB or RGBA, upright; empty where they came as numbers.
        values: in [-1, 1], shape (n, 3, h, w), float32; None for the other kinds.
        latents: as the loop has them, shape (n, c, h, w); None for the other kinds.
        names: of their files; None where they came from none.
    """

    images: tuple[Image.Image, ...] = ()
    values: Tensor | None = None
    latents: Tensor | None = None
    names: tuple[str | None, ...] = ()

    def __len__(self) -> int:
        numbers = self.values if self.latents is None else self.latents
        return len(self.images) if numbers is None else len(numbers)

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """Width and height of each, in pixels; of latents in theirs."""
        numbers = self.values if self.latents is None else self.latents
        if numbers is None:
            return [image.size for image in self.images]
        return [(numbers.shape[-1], numbers.shape[-2])] * len(numbers)

    def pixels(self, width: int, height: int, mode: str) -> Tensor:
        """What the VAE encodes, shape (n, 3, height, width), in [-1, 1], float32 on the CPU.

        Args:
            mode: see `kakusan.images.resizing`. Numbers are stretched to the nearest ones, as in
                the reference; else they are resized as pictures of 8 bits.

        Raises:
            InputError: One is no shape to cut such a picture out of.
        """
        assert self.latents is None
        images: Sequence[Image.Image] = [over_white(image) for image in self.images]
        if self.values is not None:
            if self.values.shape[-2:] == (height, width):
                return self.values
            if mode == "stretch":
                return F.interpolate(self.values, size=(height, width))
            images = to_pil(self.values)
        sized = [
            resized(image, width, height, mode, said)
            for image, said in zip(images, self.words, strict=True)
        ]
        return torch.cat([_values_of(np.asarray(image)[None]) for image in sized])

    @property
    def words(self) -> list[str]:
        """What messages call each."""
        return ["the picture" if name is None else shown(name) for name in self.names]

    def files(self, *, stretched: bool = False) -> tuple[PictureFile, ...]:
        """How records tell of them; there are no latents among them.

        Args:
            stretched: whether they are stretched to another size, which numbers are otherwise than
                the same pictures of 8 bits.
        """
        each = zip(self._hashes(stretched), self.sizes, self.names, strict=True)
        return tuple(PictureFile(digest, *size, name) for digest, size, name in each)

    def parts(self) -> list["Given"]:
        """Each alone; there are no latents among them."""
        if self.values is None:
            each = zip(self.images, self.names, strict=True)
            return [Given((image,), names=(name,)) for image, name in each]
        return [Given(values=value[None], names=(None,)) for value in self.values]

    def is_of(self, file: PictureFile) -> bool:
        """Whether one picture is what a record tells of."""
        return file.sha256 in {*self._hashes(stretched=False), *self._hashes(stretched=True)}

    def _hashes(self, stretched: bool) -> list[str]:
        if self.values is None:
            return [_hash_of(image) for image in self.images]
        levels = np.stack([np.asarray(image) for image in to_pil(self.values)])
        if not stretched and torch.equal(_values_of(levels), self.values):
            return [_hash_of(Image.fromarray(picture)) for picture in levels]
        return [
            hashlib.sha256(
                f"{picture.shape[-1]}x{picture.shape[-2]} float32\n".encode()
                + picture.numpy().tobytes()
            ).hexdigest()
            for picture in self.values
        ]


def given_pictures(name: str, value: object, *, files: bool = False) -> Given | None:
    """What a caller hands in as pictures; None for None.

    Args:
        name: of the argument, for messages.
        files: whether paths are taken.

    Raises:
        InputError: It is no picture, broken, too large, or several that are not alike.
    """
    if value is None or isinstance(value, Given):
        return value
    several = list(cast("Sequence[object]", value)) if isinstance(value, list | tuple) else [value]
    if not several:
        raise ArgumentError(f"{{{name}}} is an empty list; give at least one picture")
    if all(isinstance(each, Tensor | np.ndarray) for each in several):
        return _of_numbers(name, cast("list[Tensor | npt.NDArray[Any]]", several))
    images, names = list[Image.Image](), list[str | None]()
    for each in several:
        image, called = _opened(name, each, files=files)
        images.append(image)
        names.append(called)
    return Given(tuple(images), names=tuple(names))


def check_again(name: str, recorded: Sequence[PictureFile], found: Given | None) -> None:
    """See that the pictures which a request tells of were handed in.

    Raises:
        ArgumentError: One is missing or another.
    """
    if found is None:
        raise ArgumentError(
            f"the request needs the picture {{0}}, which is not handed in; give it as {{{name}}}",
            told(recorded[0]),
        )
    if found.latents is not None or len(found) != len(recorded):
        raise ArgumentError(
            f"the request needs {{0}} pictures as {{{name}}}, not {{1}}", len(recorded), len(found)
        )
    for asked, there in zip(recorded, found.parts(), strict=True):
        if not there.is_of(asked):
            raise ArgumentError(
                f"{{{name}}} is the picture {{0}}, and the request needs {{1}}; give that one",
                told(there.files()[0]),
                told(asked),
            )


def inputs_again(name: str, recorded: Sequence[PictureFile], found: Given | None) -> Given:
    """Of pictures that were handed in, in any order, those that a record tells of.

    Raises:
        ArgumentError: One is not among them.
    """
    parts = [] if found is None or found.latents is not None else found.parts()
    chosen: list[Given] = []
    for asked in recorded:
        fitting = next((part for part in parts if part.is_of(asked)), None)
        if fitting is None:
            others = ", ".join(told(part.files()[0]) for part in parts[:3])
            among = f"it is not {others}" if parts else "it is not handed in"
            raise ArgumentError(
                f"the picture was made from {{0}}, and {among}; give that one as {{{name}}}",
                told(asked),
            )
        chosen.append(fitting)
    return joined(chosen)


def joined(parts: Sequence[Given]) -> Given:
    """Pictures of one kind, together.

    Raises:
        ArgumentError: They are of several kinds.
    """
    if all(part.images for part in parts):
        images = tuple(image for part in parts for image in part.images)
        return Given(images, names=tuple(name for part in parts for name in part.names))
    values = [part.values for part in parts if part.values is not None]
    if len(values) != len(parts):
        raise ArgumentError("pictures and arrays were handed in together; give all in one form")
    return Given(values=torch.cat(values), names=(None,) * len(values))


def told(file: PictureFile) -> str:
    """A picture that a record tells of, for people."""
    named = "" if file.name is None else f"{shown(file.name)} "
    return f"{named}({file.width}x{file.height}, SHA-256 {file.sha256[:12]})"


def _opened(name: str, value: object, *, files: bool) -> tuple[Image.Image, str | None]:
    if isinstance(value, Image.Image):
        check_size(value.size, "the picture")
        return plain(value, "the picture"), None
    if files and isinstance(value, str | PathLike):
        path = Path(fspath(cast("str | PathLike[str]", value))).expanduser()
        return plain_from(path), path.name
    forms = f"{FORMS}, or the path of a file" if files else FORMS
    raise ArgumentError(
        f"{{{name}}} must be {forms}, or several of one kind in a list, not {{0}}", kind_of(value)
    )


def _of_numbers(name: str, several: list[Tensor | npt.NDArray[Any]]) -> Given:
    batches = [_batch(name, each) for each in several]
    if len({each.shape[1:] for each in batches}) > 1:
        raise ArgumentError(f"the pictures given as {{{name}}} are of different sizes")
    numbers = torch.cat(batches)
    if not len(numbers) or 0 in numbers.shape:
        raise ArgumentError(f"{{{name}}} has the shape {{0}}: no pixel", tuple(numbers.shape))
    if numbers.shape[1] not in _ON_GREY:
        check_tensor(name, numbers)
        return Given(latents=numbers, names=(None,) * len(numbers))
    check_size((numbers.shape[-1], numbers.shape[-2]), "the picture")
    values = _in_range(name, numbers.detach().to("cpu", torch.float32))
    values = values.expand(-1, 3, -1, -1).contiguous()
    return Given(values=values, names=(None,) * len(numbers))


def _batch(name: str, value: Tensor | npt.NDArray[Any]) -> Tensor:
    """Shape (n, c, h, w): uint8 as [0, 1], everything else as it is."""
    if isinstance(value, np.ndarray):
        value = _channels_first(name, value)
    elif value.ndim not in (3, 4):
        raise ArgumentError(
            f"{{{name}}} must have the shape (c, h, w) or (n, c, h, w), not {{0}}",
            tuple(value.shape),
        )
    batch = value if value.ndim == 4 else value[None]
    if batch.dtype == torch.uint8:
        return batch.float() / 255.0
    if not batch.is_floating_point():
        raise ArgumentError(
            f"{{{name}}} must be of floats or uint8, not {{0}}",
            str(batch.dtype).removeprefix("torch."),
        )
    return batch


def _channels_first(name: str, array: npt.NDArray[Any]) -> Tensor:
    """An array (h, w), (h, w, c) or (n, h, w, c) as a tensor; transparency laid over white."""
    whole = array[None, ..., None] if array.ndim == 2 else array
    whole = whole[None] if whole.ndim == 3 else whole
    if whole.ndim != 4 or whole.shape[-1] not in (1, 3, 4):
        raise ArgumentError(
            f"{{{name}}} must have the shape (h, w, c) or (n, h, w, c) of 1, 3 or 4 channels, not "
            "{0}",
            array.shape,
        )
    if whole.dtype != np.uint8 and not np.issubdtype(whole.dtype, np.floating):
        raise ArgumentError(f"{{{name}}} must be of floats or uint8, not {{0}}", whole.dtype)
    if whole.shape[-1] == 4:
        share = np.float32(255.0 if whole.dtype == np.uint8 else 1.0)
        alpha = whole[..., 3:].astype(np.float32) / share
        whole = whole[..., :3].astype(np.float32) / share * alpha + (1.0 - alpha)
    native = whole.astype(whole.dtype.newbyteorder("="), copy=False)
    return torch.from_numpy(np.ascontiguousarray(native.transpose(0, 3, 1, 2)))


def _in_range(name: str, numbers: Tensor) -> Tensor:
    """In [-1, 1]: from [0, 1], or already there where one is negative."""
    if not torch.isfinite(numbers).all():
        raise ArgumentError(f"{{{name}}} holds NaN or infinity")
    lowest, highest = float(numbers.min()), float(numbers.max())
    if max(-lowest, highest) > _FURTHEST:
        raise ArgumentError(
            f"{{{name}}} has values from {lowest:g} to {highest:g}; floats are taken in [0, 1] or "
            "[-1, 1], and whole numbers up to 255 as uint8"
        )
    return numbers if lowest < 0 else 2.0 * numbers - 1.0


def _values_of(levels: npt.NDArray[np.uint8]) -> Tensor:
    """Pictures (n, h, w, 3) as values (n, 3, h, w) in [-1, 1]."""
    unit = levels.astype(np.float32) / np.float32(255.0)
    return 2.0 * torch.from_numpy(np.ascontiguousarray(unit.transpose(0, 3, 1, 2))) - 1.0


def _hash_of(image: Image.Image) -> str:
    head = f"{image.width}x{image.height} {image.mode}\n".encode()
    return hashlib.sha256(head + image.tobytes()).hexdigest()
