"""A plain function in the safety checker's place, as many scripts put one there."""

from collections.abc import Callable, Sequence
from typing import Any, TypeGuard, cast

import torch
from torch import Tensor, nn

from kakusan.errors import RequestError, shown
from kakusan.images import to_pil
from kakusan.models import CLIPImageProcessor

CheckerFunction = Callable[..., Any]


def is_function(checker: object) -> TypeGuard[CheckerFunction]:
    """Whether this is a function in a safety checker's place, and no network."""
    return callable(checker) and not isinstance(checker, nn.Module)


def checked_by(
    function: CheckerFunction, pixels: Tensor, extractor: CLIPImageProcessor | None
) -> tuple[Tensor, list[bool], bool]:
    """What a function (images, clip_input) -> (images, flags) makes of pictures.

    Args:
        pixels: shape (n, 3, height, width), in [-1, 1].
        extractor: makes `clip_input`, which is None without it.

    Returns:
        The pictures; their flags, of which one alone counts for all; whether they are others now.

    Raises:
        RequestError: It gives something else.
    """
    seen = None if extractor is None else extractor(to_pil(pixels), return_tensors="pt")
    clip_input = None if seen is None else seen.pixel_values.to(pixels.device)
    result = function(images=pixels.clone(), clip_input=clip_input)
    wrong = RequestError(
        "the function in the safety checker's place must give (images, flags), a flag for each "
        f"picture, not {shown(result)}"
    )
    if not isinstance(result, Sequence) or len(cast("Sequence[object]", result)) != 2:
        raise wrong
    images, flags = cast("tuple[object, object]", result)
    if isinstance(images, Sequence) and all(isinstance(each, Tensor) for each in images):
        images = torch.stack(list(cast("Sequence[Tensor]", images)))
    each_flag = [flags] * len(pixels) if isinstance(flags, bool) else flags
    if not isinstance(images, Tensor) or images.shape != pixels.shape:
        raise wrong
    if not isinstance(each_flag, Sequence) or len(cast("Sequence[bool]", each_flag)) != len(pixels):
        raise wrong
    found = [bool(flag) for flag in cast("Sequence[bool]", each_flag)]
    return images.to(pixels), found, not torch.equal(images.to(pixels), pixels)
