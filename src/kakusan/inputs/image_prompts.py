"""What a caller hands in to be attended to beside the text, through IP-Adapters."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

from kakusan.errors import ArgumentError, kind_of
from kakusan.images.conversion import to_pil
from kakusan.images.upright import over_white
from kakusan.inputs.pictures import Given, given_pictures
from kakusan.inputs.tensors import check_tensor
from kakusan.models import CLIPImageProcessor, CLIPVisionModelWithProjection, IPAdapter

IMAGE, EMBEDS = "ip_adapter_image", "ip_adapter_image_embeds"


@dataclass(frozen=True, eq=False)
class SeenPictures:
    """Pictures for one adapter, in one of three forms; the others are None.

    Attributes:
        pictures: as they are.
        pixels: as the picture encoder takes them, shape (n, 3, size, size).
        features: what the encoder made of them, as the reference's
            `prepare_ip_adapter_image_embeds` gives it: (1, n, width) or (1, n, tokens, width), and
            a row of what is unconditional before it, where there is guidance.
    """

    pictures: Given | None = None
    pixels: Tensor | None = None
    features: Tensor | None = None

    def prepared(self, extractor: CLIPImageProcessor) -> Tensor:
        """As the picture encoder takes them."""
        if self.pixels is not None:
            return self.pixels
        given = self.pictures
        assert given is not None
        images = [over_white(image) for image in given.images]
        if given.values is not None:
            images = to_pil(given.values)
        return extractor(images, return_tensors="pt").pixel_values


@dataclass(frozen=True, eq=False)
class ThroughAdapter:
    """Pictures, and what they are seen through.

    Attributes:
        blocks: see `kakusan.models.ImageTokens`.
        encoder: None where none is needed.
        extractor: makes of pictures what the encoder takes.
    """

    seen: SeenPictures
    adapter: IPAdapter
    scale: float
    blocks: tuple[tuple[str, float], ...]
    encoder: CLIPVisionModelWithProjection | None
    extractor: CLIPImageProcessor


def seen_pictures(image: object, embeds: object = None) -> tuple[SeenPictures, ...]:
    """What a pipeline's call hands in, an entry for each adapter; empty where nothing is given.

    Args:
        image: a picture, pixels, or a list with one for each adapter, each of them a picture or a
            list of such.
        embeds: features in its place, in a list.

    Raises:
        InputError: It is something else, or both are given.
    """
    if image is not None and embeds is not None:
        raise ArgumentError(f"{{{IMAGE}}} and {{{EMBEDS}}} were both given; give only one of them")
    if embeds is not None:
        several = list(cast("Sequence[object]", embeds)) if _is_several(embeds) else [embeds]
        return tuple(SeenPictures(features=_features(each)) for each in several)
    if image is None:
        return ()
    several = list(cast("Sequence[object]", image)) if _is_several(image) else [image]
    return tuple(_of_adapter(each) for each in several)


def one_adapters(name: str, value: object) -> SeenPictures:
    """Pictures for one adapter: one, or several in a list; files too.

    Raises:
        InputError: It is something else.
    """
    given = given_pictures(name, value, files=True)
    if given is None or given.latents is not None:
        raise ArgumentError(f"{{{name}}} must be a picture, not {{0}}", kind_of(value))
    return SeenPictures(given)


def _is_several(value: object) -> bool:
    return isinstance(value, list | tuple)


def _of_adapter(value: object) -> SeenPictures:
    if value is None:
        raise ArgumentError(f"{{{IMAGE}}} has None for an IP-Adapter; give a picture for each")
    if isinstance(value, Tensor):
        return SeenPictures(pixels=_pixels(value))
    if _is_several(value):
        several = cast("Sequence[Any]", value)
        if several and all(isinstance(each, Tensor) for each in several):
            return SeenPictures(pixels=torch.cat([_pixels(each) for each in several]))
    given = given_pictures(IMAGE, value)
    if given is None or given.latents is not None:
        raise ArgumentError(f"{{{IMAGE}}} must be pictures, not {{0}}", kind_of(value))
    return SeenPictures(given)


def _pixels(value: Tensor) -> Tensor:
    """Tensors are taken as the encoder sees them, as in the reference."""
    check_tensor(IMAGE, value)
    batch = value[None] if value.ndim == 3 else value
    if batch.ndim != 4 or batch.shape[1] != 3 or not len(batch):
        raise ArgumentError(
            f"a tensor of {{{IMAGE}}} must have the shape (n, 3, size, size), as "
            "CLIPImageProcessor gives it, not {0}",
            tuple(value.shape),
        )
    return batch.detach().float()


def _features(value: object) -> Tensor:
    if not isinstance(value, Tensor) or value.ndim not in (3, 4) or len(value) not in (1, 2):
        got = tuple(value.shape) if isinstance(value, Tensor) else kind_of(value)
        raise ArgumentError(
            f"each of {{{EMBEDS}}} must be a tensor (1 or 2, pictures, ...) as "
            "prepare_ip_adapter_image_embeds gives it, not {0}",
            got,
        )
    check_tensor(EMBEDS, value)
    return value.detach().float()
