"""Fields of published configs that ask for what these networks do not have."""

from collections.abc import Mapping, Sequence

from kakusan.checkpoints.files import JSON
from kakusan.errors import CheckpointError


def check_implemented(
    published: Mapping[str, JSON], where: str, implemented: Mapping[str, Sequence[JSON]]
) -> None:
    """Refuse values of `published` that would change the picture and that we cannot honour.

    Args:
        published: the JSON object.
        where: its file, for the message.
        implemented: for each such key the values that are honoured; null always is.

    Raises:
        CheckpointError: A value is another one.
    """
    for key, allowed in implemented.items():
        value = published.get(key)
        if value is not None and value not in allowed:
            can = " or ".join(repr(choice) for choice in allowed) if allowed else "null"
            raise CheckpointError(
                f"{where}: {key!r} is {value!r}, which kakusan cannot do; it can do {can}."
            )


def check_known(published: Mapping[str, JSON], where: str, known: set[str]) -> None:
    """Refuse keys that are neither `known` nor switched off: they may change the picture.

    Raises:
        CheckpointError: A key is unknown, has a value, and is no private one (`_class_name`).
    """
    for key, value in published.items():
        if key not in known and not key.startswith("_") and value not in (None, False):
            raise CheckpointError(
                f"{where}: {key!r} is not known to kakusan; without it the picture may be wrong. "
                f"Remove the key if it has no effect."
            )


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
