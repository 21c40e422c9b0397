"""The pictures that are attended to beside the text (IP-Adapter), as a request asks for them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike, fspath
from typing import Any, NamedTuple, NoReturn, cast

from kakusan.errors import ArgumentError, shown
from kakusan.request import checks
from kakusan.request.steered import PictureFile, pictures_of

MAX_SCALE = 100.0
MAX_ADAPTERS = 20
_LONGEST = 4096
_HASH = re.compile("[0-9a-f]{64}")
_BLOCK = re.compile(r"(?:down_blocks|up_blocks|mid_block)[\w.]{0,100}")


class ImagePrompt(NamedTuple):
    """Pictures that are attended to through one IP-Adapter.

    Attributes:
        model: the adapter's file; None for one that the pipeline has loaded.
        scale: what is added to the attention to the text is multiplied by it.
        blocks: beginnings of attentions' names, such as "up_blocks.1.attentions.0", and the scale
            of those in its place; the first that fits counts.
        encoder: the folder or file of the picture encoder; None for the pipeline's, or for one that
            lies beside the adapter.
        images: the pictures; several are attended to at once.
        sha256: of the adapter's file.
    """

    model: str | None = None
    scale: float = 1.0
    blocks: tuple[tuple[str, float], ...] = ()
    encoder: str | None = None
    images: tuple[PictureFile, ...] | None = None
    sha256: str | None = None

    def to_record(self) -> dict[str, Any]:
        """As plain JSON."""
        found = {name: value for name, value in self._asdict().items() if value is not None}
        found.pop("blocks")
        if self.blocks:
            found["blocks"] = dict(self.blocks)
        if self.images is not None:
            found["images"] = [each.to_record() for each in self.images]
        return found


@dataclass(frozen=True, kw_only=True)
class ImagePromptedRequest:
    """The pictures that are attended to; None where there are none.

    Their pixels travel beside the request, in `kakusan.inputs.Inputs`, in the same order.
    """

    image_prompts: tuple[ImagePrompt, ...] | None = None

    def checked_image_prompts(self) -> tuple[ImagePrompt, ...] | None:
        """The field as it is stored.

        Raises:
            ArgumentError: It is something else.
        """
        given = cast(object, self.image_prompts)
        if given is None:
            return None
        several = [given] if isinstance(given, ImagePrompt | Mapping) else given
        if not isinstance(several, Sequence) or isinstance(several, str | bytes):
            _refuse(given)
        found = tuple(_prompt(each) for each in cast("Sequence[object]", several))
        if len(found) > MAX_ADAPTERS:
            raise ArgumentError(
                f"{{image_prompts}} are {len(found)} adapters; at most {MAX_ADAPTERS} are taken"
            )
        return found or None


def _prompt(given: object) -> ImagePrompt:
    if isinstance(given, Mapping):
        told = {str(name): each for name, each in cast("Mapping[object, Any]", given).items()}
        if told.keys() - set(ImagePrompt._fields):
            _refuse(given)
        given = ImagePrompt(**{name: each for name, each in told.items() if each is not None})
    if not isinstance(given, ImagePrompt):
        _refuse(given)
    texts = [_path(each) for each in (given.model, given.encoder)]
    digest = cast(object, given.sha256)
    if digest is not None and not (isinstance(digest, str) and _HASH.fullmatch(digest)):
        _refuse(given)
    images = pictures_of("image_prompts", given.images)
    scale = scale_of(given.scale)
    return ImagePrompt(texts[0], scale, _blocks(given.blocks), texts[1], images, given.sha256)


def scale_of(value: object) -> float:
    """The scale of an adapter.

    Raises:
        ArgumentError: It is no finite number, or too large.
    """
    try:
        found = checks.number("ip_adapter_scale", value, -MAX_SCALE, MAX_SCALE)
    except ArgumentError:
        found = None
    if found is None:
        raise ArgumentError(
            f"the scale of an IP-Adapter must be a finite number from {-MAX_SCALE:g} to "
            f"{MAX_SCALE:g}, not {{0}}",
            shown(value),
        )
    return found


def _blocks(given: object) -> tuple[tuple[str, float], ...]:
    pairs = cast("Mapping[Any, Any]", given).items() if isinstance(given, Mapping) else given
    found: list[tuple[str, float]] = []
    for pair in cast("Sequence[Any]", pairs):
        name, scale = pair if isinstance(pair, Sequence) and len(pair) == 2 else (None, None)
        if not isinstance(name, str) or not _BLOCK.fullmatch(name):
            raise ArgumentError(
                "the blocks of {image_prompts} must be beginnings of attentions' names, such as "
                '"up_blocks.1.attentions.0", with their scales, not {0}',
                shown(pair),
            )
        found.append((name, scale_of(scale)))
    return tuple(found)


def _path(value: object) -> str | None:
    if isinstance(value, PathLike):
        value = fspath(cast("PathLike[Any]", value))
    if value is not None and not (isinstance(value, str) and 0 < len(value) <= _LONGEST):
        raise ArgumentError("a file of {image_prompts} must be a path, not {0}", shown(value))
    return value


def _refuse(given: object) -> NoReturn:
    fields = ", ".join(ImagePrompt._fields)
    raise ArgumentError(
        f"each of {{image_prompts}} must be a mapping with some of {fields}, not {{0}}",
        shown(given),
    )


def typed(text: str) -> tuple[str, str, float]:
    """An image prompt as it is typed, PICTURE@ADAPTER[:SCALE]: picture, adapter and scale.

    The last @ parts them, and what stands behind a colon and is no number is part of a name.

    Raises:
        ArgumentError: A part is missing, or the scale is not finite.
    """
    picture, at, rest = text.strip().rpartition("@")
    adapter, _, last = rest.rpartition(":")
    scale = 1.0
    try:
        scale = float(last) if adapter else scale
    except ValueError:
        adapter = ""
    adapter = adapter or rest
    if not at or not picture.strip() or not adapter.strip():
        raise ArgumentError(
            "{image_prompts} must be PICTURE@ADAPTER[:SCALE], such as "
            "face.png@ip-adapter_sd15.safetensors:0.6, not {0}",
            shown(text),
        )
    return picture, adapter, scale_of(scale)
