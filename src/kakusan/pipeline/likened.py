"""A picture's settings for another one, for the short call."""

import secrets
from collections.abc import Mapping
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from kakusan.checkpoints.identification import facts_of
from kakusan.checkpoints.recorded import check_at_hand, check_parts_at_hand
from kakusan.checkpoints.source import BUILTIN, locate
from kakusan.errors import ArgumentError, CheckpointError, InputError, shown_path
from kakusan.images import read_record
from kakusan.images.foreign import read_foreign
from kakusan.interchange import settings_of, translated, with_typed


def likened(picture: str | PathLike[str], typed: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of the picture in a file, and over them those that were typed.

    Where the picture tells no seed, a random one is among them.

    Args:
        typed: under the names of a `Request`.

    Raises:
        InputError: The file tells no settings, or its model is not the user's own.
    """
    path = Path(fspath(picture))
    record = read_record(path)
    if record is None:
        raise InputError(f"{shown_path(path)} has no record of how it was made")
    given = {name: value for name, value in typed.items() if value is not None}
    if "kakusan" not in record:
        settings = with_typed(_of_another_tool(path, given), given)
    else:
        settings = with_typed(settings_of(record), given)
        if "model" not in given:
            check_at_hand(settings)
        check_parts_at_hand(settings, given)
    return {"seed": secrets.randbelow(2**32), **settings}


def _of_another_tool(path: Path, given: Mapping[str, Any]) -> Mapping[str, Any]:
    told = read_foreign(path)
    if told is None:
        raise InputError(f"{shown_path(path)} tells nothing of how it was made")
    if "model" not in given and told.settings.model != BUILTIN:
        raise ArgumentError(
            "{0} was made by another tool, whose name for a model is not looked for here; say with "
            "{model} which to draw with",
            shown_path(path),
        )
    model = str(given.get("model", BUILTIN))
    return translated(told, _family(model), rng=given.get("rng")).settings


def _family(model: str) -> str | None:
    """What a model is; None where it is not here yet, or does not say."""
    if model == BUILTIN:
        return None
    try:
        source = locate(model, local_files_only=True, files=True)
        return facts_of(source.folder if source.file is None else source.file).family
    except CheckpointError:
        return None
