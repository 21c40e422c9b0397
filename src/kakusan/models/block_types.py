"""Which levels of a UNet have attention, as published configs spell it by their blocks' types."""

from collections.abc import Mapping

from kakusan.checkpoints.fields import Fields
from kakusan.errors import CheckpointError, shown

DOWN_TYPES = {False: "DownBlock2D", True: "CrossAttnDownBlock2D"}
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
