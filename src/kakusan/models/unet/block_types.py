"""Which levels of a UNet have attention, as published configs spell it by their blocks' types."""

from collections.abc import Mapping

from kakusan.checkpoints.fields import Fields
from kakusan.checkpoints.files import JSON
from kakusan.errors import CheckpointError, shown

DOWN_TYPES = {False: "DownBlock2D", True: "CrossAttnDownBlock2D"}
# Residual blocks of the middle -> its type; those with one or none come of distilling
MIDDLES = {2: "UNetMidBlock2DCrossAttn", 1: "UNetMidBlock2D", 0: None}
UP_TYPES = {False: "UpBlock2D", True: "CrossAttnUpBlock2D"}


def levels_with_attention(fields: Fields, levels: int) -> list[bool]:
    """Read the block types of both ways, which must mirror each other."""
    published_down = (*[DOWN_TYPES[True]] * (levels - 1), DOWN_TYPES[False])
    published_up = (UP_TYPES[False], *[UP_TYPES[True]] * (levels - 1))
    down = fields.texts("down_block_types", published_down, length=levels)
    up = fields.texts("up_block_types", published_up, length=levels)
    attends = {
        key: [_attends(fields.where, key, name, types) for name in names]
        for key, names, types in (
            ("down_block_types", down, DOWN_TYPES),
            ("up_block_types", up, UP_TYPES),
        )
    }
    if attends["down_block_types"] != attends["up_block_types"][::-1]:
        raise CheckpointError(
            f"{fields.where}: 'up_block_types' must have attention at the levels where "
            f"'down_block_types' has it, in reversed order."
        )
    return attends["down_block_types"]


def _attends(where: str, key: str, name: str, types: Mapping[bool, str]) -> bool:
    for attention, known in types.items():
        if name == known:
            return attention
    raise CheckpointError(
        f"{where}: {key!r} has {shown(name)}, which kakusan does not have; "
        f"it has {' and '.join(types.values())}."
    )


def check_attends_to_itself(fields: Fields, attends: list[bool]) -> None:
    """Refuse attention without attention to itself, which is said for all levels or for each."""
    flags = fields.json.get("only_cross_attention")
    if isinstance(flags, list):
        if len(flags) != len(attends) or not all(isinstance(each, bool) for each in flags):
            raise CheckpointError(
                f"{fields.where}: 'only_cross_attention' is {shown(flags)}; it must be true or "
                f"false, or a list of {len(attends)} of them."
            )
        only = any(flag and has for flag, has in zip(flags, attends, strict=True))
    else:
        only = fields.boolean("only_cross_attention", False)
    if only:
        raise CheckpointError(
            f"{fields.where}: 'only_cross_attention' is {shown(flags)}, which kakusan cannot do; "
            "it can do false at the levels that have attention."
        )


def middle_resnets(published: Mapping[str, JSON]) -> int:
    """How many residual blocks the middle has; only between two there is attention."""
    if "mid_block_type" in published and published["mid_block_type"] is None:
        return 0
    return 1 if published.get("mid_block_type") == MIDDLES[1] else 2


def down_depths(fields: Fields, levels: int) -> tuple[int, ...]:
    """Transformer blocks of each level on the way down, which files may repeat for each layer.

    Raises:
        CheckpointError: They differ within a level.
    """
    return tuple(
        _same(fields, "transformer_layers_per_block", each)
        for each in _depths(fields, "transformer_layers_per_block", levels) or [(1,)] * levels
    )


def up_depths(
    fields: Fields, attends: list[bool], down: tuple[int, ...], layers: int
) -> tuple[tuple[int, ...], ...]:
    """Transformer blocks after each residual block on the way up, the finest level first.

    Empty where they mirror those of the way down.
    """
    found = _depths(fields, "reverse_transformer_layers_per_block", len(attends))
    up = tuple(
        (each * (layers + 1) if len(each) == 1 else each) if attention else (0,) * (layers + 1)
        for each, attention in zip(reversed(found), attends, strict=False)
    )
    mirrored = tuple(
        ((depth if attention else 0),) * (layers + 1)
        for depth, attention in zip(down, attends, strict=True)
    )
    return () if up == mirrored else up


def _depths(fields: Fields, key: str, levels: int) -> list[tuple[int, ...]]:
    """For each level one number or one for each layer; empty where nothing is said."""
    if not fields.has(key):
        return []
    value = fields.json[key]
    each = value if isinstance(value, list) else [value] * levels
    if len(each) != levels:
        raise CheckpointError(
            f"{fields.where}: {key!r} is {shown(value)}; it must be a list of {levels} values."
        )
    return [Fields({key: one}, fields.where).integers(key, maximum=64) for one in each]


def _same(fields: Fields, key: str, depths: tuple[int, ...]) -> int:
    if len(set(depths)) != 1:
        raise CheckpointError(
            f"{fields.where}: {key!r} has {shown(list(depths))} for one level; kakusan has as many "
            "after each layer on the way down."
        )
    return depths[0]
