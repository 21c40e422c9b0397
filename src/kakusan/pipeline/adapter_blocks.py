"""Strengths of an adapter as the reference takes them: one, or one for each block of the UNet."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

from kakusan.errors import ArgumentError, RequestError, nearest, shown
from kakusan.models import UNet2DConditionModel
from kakusan.request.loras import strength

WAYS = ("down", "mid", "up")


class Strengths(NamedTuple):
    """Of one adapter in one network, as `kakusan.models.Worn` has them."""

    whole: float = 1.0
    blocks: tuple[tuple[str, float], ...] = ()


def strengths_of(given: object, unet: UNet2DConditionModel | None) -> Strengths:
    """What a user gives for one adapter in one network: a number, None for 1, or blocks.

    Blocks are `{"down": 0.5, "mid": 1.0, "up": {"block_0": 0.3, "block_1": [0.4, 0.8, 1.0]}}`: a
    list has a strength for each attention of a block. What is not named is 1.

    Args:
        unet: whose blocks can be named; None for a text encoder, which has none.

    Raises:
        RequestError: A strength is no finite number, or there is no such block.
    """
    if given is None:
        return Strengths()
    if not isinstance(given, Mapping):
        return Strengths(_number(given))
    if unet is None:
        raise ArgumentError(
            "a text encoder has no blocks with strengths of their own; give a number for it, not "
            "{0}",
            shown(given),
        )
    blocks: list[tuple[str, float]] = []
    for way, value in cast("Mapping[object, object]", given).items():
        if way not in WAYS:
            raise RequestError(
                f"a UNet has no part {shown(way)}; its parts are down, mid and up."
                f"{nearest(str(way), WAYS)}"
            )
        blocks += _middle(value) if way == "mid" else _of_way(str(way), value, unet)
    return Strengths(1.0, tuple(blocks))


def _number(given: object) -> float:
    found = strength("adapter_weights", given)
    if found is None:
        raise ArgumentError("{adapter_weights} must be a number, not {0}", shown(given))
    return found


def _middle(given: object) -> list[tuple[str, float]]:
    one = given[0] if isinstance(given, list) and len(cast("list[Any]", given)) == 1 else given
    return [("mid_block.attentions.0.", _number(one))]  # as the reference: of its attention alone


def _of_way(way: str, given: object, unet: UNet2DConditionModel) -> list[tuple[str, float]]:
    counts = _attentions(way, unet)
    if not isinstance(given, Mapping):
        given = dict.fromkeys(counts, given)
    found: list[tuple[str, float]] = []
    for block, value in cast("Mapping[object, object]", given).items():
        if block not in counts:
            raise RequestError(
                f"{shown(block)} of {way} is no block of this UNet with attentions; those are "
                f"{', '.join(counts)}.{nearest(str(block), counts)}"
            )
        number = str(block).removeprefix("block_")
        for index, each in enumerate(_each(value, counts[str(block)], f"{way}.{block}")):
            # the reference gives an attention's strength to what stands at its number, too
            layers = ("attentions", "resnets", "downsamplers", "upsamplers")
            found += [(f"{way}_blocks.{number}.{layer}.{index}.", each) for layer in layers]
    return found


def _attentions(way: str, unet: UNet2DConditionModel) -> dict[str, int]:
    """How many attentions each block has that has any."""
    blocks: Any = getattr(unet, f"{way}_blocks")
    counts = {f"block_{i}": len(block.attentions) for i, block in enumerate(blocks)}
    return {name: count for name, count in counts.items() if count}


def _each(given: object, count: int, where: str) -> list[float]:
    if not isinstance(given, Sequence) or isinstance(given, str):
        return [_number(given)] * count
    several = [_number(each) for each in cast("Sequence[object]", given)]
    if len(several) not in (1, count):
        raise RequestError(
            f"{where} has {count} attentions, and {len(several)} strengths were given; give one, "
            "or one for each"
        )
    return several * count if len(several) == 1 else several
