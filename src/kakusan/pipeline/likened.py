"""A picture's settings for another one, for the short call."""

import logging
import os
import secrets
from collections.abc import Mapping, Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from kakusan.checkpoints.hash_cache import HashCache
from kakusan.checkpoints.identification import facts_of
from kakusan.checkpoints.recorded import check_at_hand, check_parts_at_hand
from kakusan.checkpoints.source import BUILTIN, locate
from kakusan.errors import ArgumentError, CheckpointError, InputError, shown_path
from kakusan.images import read_record
from kakusan.images.foreign import Told, read_foreign
from kakusan.interchange import (
    controls_of_record,
    settings_of,
    taken_of_record,
    taken_of_told,
    translated,
    with_typed,
)
from kakusan.pipeline.adapter_search import VARIABLE, adapter_folders

logger = logging.getLogger(__name__)


def likened(
    picture: str | PathLike[str],
    typed: Mapping[str, Any],
    lora_dirs: Sequence[str | PathLike[str]] | None = None,
) -> dict[str, Any]:
    """The settings of the picture in a file, and over them those that were typed.

    Where the picture tells no seed, a random one is among them. Its adapters and learnt words are
    taken as far as they are among the user's own; a line says which are not.

    Args:
        typed: under the names of a `Request`.
        lora_dirs: as `kakusan.generate` has them.

    Raises:
        InputError: The file tells no settings, or its model is not the user's own.
    """
    path = Path(fspath(picture))
    record = read_record(path)
    if record is None:
        raise InputError(f"{shown_path(path)} has no record of how it was made")
    given = {name: value for name, value in typed.items() if value is not None}
    named = lora_dirs or os.environ.get(VARIABLE)
    folders, hashes_of = adapter_folders(lora_dirs or None) if named else None, HashCache().of
    if "kakusan" not in record:
        told = _told_in(path)
        settings = with_typed(_of_another_tool(path, told, given), given)
        settings, left = taken_of_told(told.settings, settings, given, folders, hashes_of)
    else:
        settings = with_typed(settings_of(record), given)
        if "model" not in given:
            check_at_hand(settings)
        check_parts_at_hand(settings, given)
        settings, left = taken_of_record(record, settings, given, folders, hashes_of)
        settings = controls_of_record(record, settings, given, path.parent)
        if record.get("controls") and not settings.get("controls"):
            left = (*left, "what steered it (give it as controls)")
    if left:
        logger.warning("not taken from %s: %s", shown_path(path), "; ".join(left))
    return {"seed": secrets.randbelow(2**32), **settings}


def _told_in(path: Path) -> Told:
    told = read_foreign(path)
    if told is None:
        raise InputError(f"{shown_path(path)} tells nothing of how it was made")
    return told


def _of_another_tool(path: Path, told: Told, given: Mapping[str, Any]) -> Mapping[str, Any]:
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
