"""Fields of published configs that ask for what these networks do not have."""

from collections.abc import Collection, Mapping, Sequence

from kakusan.checkpoints.fields import Fields
from kakusan.checkpoints.files import JSON
from kakusan.errors import CheckpointError, shown

# What averaged copies (EMA) of networks also have in their configs
OF_AVERAGES = frozenset(
    {
        *("decay", "inv_gamma", "min_decay", "optimization_step", "power", "update_after_step"),
        *("use_ema_warmup", "max_value", "collected_params"),
    }
)


def check_implemented(
    published: Mapping[str, JSON],
    where: str,
    implemented: Mapping[str, Sequence[JSON]],
    *,
    null_acts: Collection[str] = (),
) -> None:
    """Refuse values of `published` that would change the picture and that we cannot honour.

    Args:
        published: the JSON object.
        where: its file, for the message.
        implemented: for each such key the values that are honoured, and null.
        null_acts: keys of which null is a value of its own, and is not honoured.

    Raises:
        CheckpointError: A value is another one.
    """
    for key, allowed in implemented.items():
        value = published.get(key)
        if value is not None and value not in allowed:
            raise _cannot(where, key, value, allowed)
    for key in null_acts:
        if key in published and published[key] is None:
            raise _cannot(where, key, None, implemented.get(key, ["a value"]))


def _cannot(where: str, key: str, value: JSON, allowed: Sequence[JSON]) -> CheckpointError:
    can = " or ".join(shown(choice) for choice in allowed) if allowed else "null"
    return CheckpointError(
        f"{where}: {key!r} is {'null' if value is None else shown(value)}, which kakusan cannot "
        f"do; it can do {can}."
    )


def check_known(published: Mapping[str, JSON], where: str, known: set[str]) -> None:
    """Refuse keys that are neither `known` nor switched off: they may change the picture.

    Raises:
        CheckpointError: A key is unknown, has a value, and is no private one (`_class_name`).
    """
    for key, value in published.items():
        if key not in known and not key.startswith("_") and value not in (None, False):
            raise CheckpointError(
                f"{where}: {shown(key)} is not known to kakusan; without it the picture may be "
                f"wrong. Remove the key if it has no effect."
            )


def evenly(fields: Fields, key: str, default: int, *, maximum: int) -> int:
    """A number that files may repeat for each level, where it must be the same one.

    Raises:
        CheckpointError: It differs from level to level.
    """
    values = set(fields.integers(key, default, maximum=maximum))
    if len(values) > 1:
        raise CheckpointError(
            f"{fields.where}: {key!r} is {shown(fields.json[key])}; kakusan has the same at each "
            "level."
        )
    return values.pop() if values else default


def sample_sizes(fields: Fields, default: int, *, maximum: int) -> tuple[int, int]:
    """Height and width: a number for both, or two numbers."""
    sizes = fields.integers("sample_size", default, length=2, maximum=maximum)
    return sizes[0], sizes[1]


def tower_fields(published: Mapping[str, JSON], key: str) -> Mapping[str, JSON]:
    """The fields of one tower of a whole CLIP's config; a config without `key` is the tower's own.

    Old files hold them twice, as `text_config` and as `text_config_dict`; the second counts more.
    """
    merged: dict[str, JSON] = {}
    nested = [published.get(key), published.get(f"{key}_dict")]
    for part in nested:
        if isinstance(part, dict):
            merged |= part
    return merged if any(isinstance(part, dict) for part in nested) else published
