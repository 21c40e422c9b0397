"""Pictures to attend to, from what the short call is given for them."""

from collections.abc import Sequence
from typing import Any, cast

from kakusan.errors import ArgumentError
from kakusan.inputs import SeenPictures, one_adapters
from kakusan.request.image_prompts import ImagePrompt, scale_of

Asked = tuple[tuple[ImagePrompt, ...], tuple[SeenPictures, ...]]


def image_prompts_of(pictures: object, adapters: object, scales: object, encoder: object) -> Asked:
    """What a request says of pictures and adapters, and the pictures themselves.

    Args:
        pictures: for one adapter a picture, or several in a list; for several adapters a list with
            an entry for each.
        adapters: a file, or several in a list.
        scales: a number for all, or one for each in a list.
        encoder: the folder or file of the picture encoder.

    Raises:
        InputError: One is missing, or is something else.
    """
    if pictures is None or adapters is None:
        given = {"image_prompt": pictures, "ip_adapter": adapters}
        given |= {"ip_adapter_scale": scales, "image_encoder": encoder}
        names = [name for name, value in given.items() if value is not None]
        if names:
            lacks = "image_prompt" if pictures is None else "ip_adapter"
            raise ArgumentError(
                f"{{{names[0]}}} needs {{{lacks}}} beside it: {{image_prompt}} are pictures, and "
                "{ip_adapter} is the file that they are seen through"
            )
        return (), ()
    files = _several(adapters)
    each = list(cast("Sequence[object]", pictures)) if len(files) > 1 else [pictures]
    strengths = [1.0] * len(files) if scales is None else [scale_of(s) for s in _several(scales)]
    strengths = strengths * len(files) if len(strengths) == 1 else strengths
    for name, found in (("image_prompt", each), ("ip_adapter_scale", strengths)):
        if len(found) != len(files):
            raise ArgumentError(
                f"{{{name}}} has {{0}} entries for {{1}} IP-Adapters; give one for each",
                len(found),
                len(files),
            )
    seen = [one_adapters("image_prompt", one) for one in each]
    asked = [
        ImagePrompt(cast("Any", file), strength, encoder=cast("Any", encoder))
        for file, strength in zip(files, strengths, strict=True)
    ]
    return tuple(asked), tuple(seen)


def _several(value: object) -> list[object]:
    return list(cast("Sequence[object]", value)) if isinstance(value, list | tuple) else [value]
