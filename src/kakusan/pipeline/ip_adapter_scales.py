"""How strong an IP-Adapter is: a number, or one for each block, as the reference has them."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from kakusan.errors import ArgumentError, listed, shown
from kakusan.models import UNet2DConditionModel
from kakusan.request.image_prompts import scale_of

Blocks = tuple[tuple[str, float], ...]
_PLACE = re.compile(r"(down|up)_blocks\.(\d+)\.attentions\.(\d+)\.")
_WAYS = ("down", "mid", "up")


def strength_of(unet: UNet2DConditionModel, given: object) -> tuple[float, Blocks]:
    """A scale, and those of blocks in its place.

    Args:
        given: a number; or a mapping of "down", "mid" and "up" to numbers or, for both ways, to
            mappings such as {"block_1": 0.5, "block_2": [0.0, 1.0]} with a number for each of its
            transformers. What is not named is 0.

    Raises:
        ArgumentError: It is something else, or there is no such block.
    """
    if not isinstance(given, Mapping):
        return scale_of(given), ()
    told = cast("Mapping[object, object]", given)
    if wrong := [name for name in told if name not in _WAYS]:
        raise ArgumentError(
            "the scales of an IP-Adapter are for {0}, not for {1}", listed(_WAYS), shown(wrong[0])
        )
    places = _places(unet)
    blocks: list[tuple[str, float]] = []
    if (middle := told.get("mid")) is not None:
        several = cast("Sequence[Any]", middle) if isinstance(middle, list | tuple) else [middle]
        if len(several) != 1:
            raise ArgumentError('one scale is for "mid", not {0}', len(several))
        blocks.append(("mid_block.", scale_of(several[0])))
    for way in ("down", "up"):
        if way in told:
            blocks += _of_way(way, told[way], places[way])
    return 0.0, tuple(blocks)


def _places(unet: UNet2DConditionModel) -> dict[str, dict[int, list[int]]]:
    """On the way down and up the blocks that attend to the text, and their transformers."""
    found: dict[str, dict[int, list[int]]] = {"down": {}, "up": {}}
    for name in unet.text_attentions:
        if match := _PLACE.match(name):
            numbers = found[match[1]].setdefault(int(match[2]), [])
            numbers += [] if int(match[3]) in numbers else [int(match[3])]
    return found


def _of_way(way: str, given: object, places: Mapping[int, list[int]]) -> list[tuple[str, float]]:
    if not isinstance(given, Mapping):
        given = {f"block_{block}": given for block in places}
    told = cast("Mapping[object, object]", given)
    names = {f"block_{block}": block for block in places}
    if wrong := [name for name in told if name not in names]:
        raise ArgumentError(
            'this model has no {0} on the way "{1}" that attends to a text; there are {2}',
            shown(wrong[0]),
            way,
            listed(names),
        )
    found: list[tuple[str, float]] = []
    for name, value in told.items():
        block = names[cast(str, name)]
        numbers = places[block]
        scales = list(cast("Sequence[Any]", value)) if isinstance(value, list | tuple) else [value]
        if len(scales) not in (1, len(numbers)):
            raise ArgumentError(
                "{0} of {1} has {2} transformers, and {3} scales were given",
                shown(name),
                way,
                len(numbers),
                len(scales),
            )
        scales = scales * len(numbers) if len(scales) == 1 else scales
        head = f"{way}_blocks.{block}.attentions"
        pairs = zip(numbers, scales, strict=True)
        found += [(f"{head}.{number}.", scale_of(scale)) for number, scale in pairs]
    return found
