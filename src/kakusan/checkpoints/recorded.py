"""The model that a record names, which may be a stranger's: whether it is among the user's own.

A picture from anywhere must not make us read a folder or fetch from an address that the user never
named. Among the user's own are the model that comes with the package, and what is in the hub's
cache.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from kakusan.checkpoints.hub_file import hub_file
from kakusan.checkpoints.source import BUILTIN, is_hub_id, local_file, locate
from kakusan.errors import ArgumentError, InputError, ModelNotFoundError, shown

# What a record may name in place of the model's own
PARTS = ("unet", "vae")
_COMMIT = re.compile("[0-9a-f]{40}")
_VARIANT = re.compile(r"[\w-]{1,32}")


def check_at_hand(record: Mapping[str, Any]) -> None:
    """Raise `RequestError` where a record's model is not to be used unasked."""
    if record.get("model") is None:
        raise ArgumentError("the record names no model; say which with {model}")
    if (why := why_not_at_hand(record)) is not None:
        raise ArgumentError(
            f"the record names the model {{0}}, {why}; say with {{model}} which you mean, or with "
            "{trust_model} that it may be used",
            shown(record.get("model")),
        )


def check_parts_at_hand(record: Mapping[str, Any], given: Collection[str] = ()) -> None:
    """Raise `RequestError` where a record names parts in place of its model's own.

    Args:
        given: parts that the user names.
    """
    for part in PARTS:
        name = record.get(part)
        if name is not None and part not in given:
            raise ArgumentError(
                f"the record names the {part} {{0}} in place of the model's own; say with "
                f"{{{part}}} which you mean, or with {{trust_model}} that it may be used",
                shown(name),
            )
    for what, name in _seen_through(record, given):
        raise ArgumentError(
            f"the record names {what} {{0}}; say with {{trust_model}} that it may be used",
            shown(name),
        )


def _seen_through(record: Mapping[str, Any], given: Collection[str]) -> Iterator[tuple[str, str]]:
    """The files that a record names to attend to pictures, and what each is."""
    prompts = record.get("image_prompts")
    if "image_prompts" in given or not isinstance(prompts, list | tuple):
        return
    for prompt in cast("Sequence[object]", prompts):
        told = cast("Mapping[str, object]", prompt if isinstance(prompt, Mapping) else {})
        for key, what in (("model", "the IP-Adapter"), ("encoder", "the image encoder")):
            name = told.get(key)
            if isinstance(name, str) and name != BUILTIN:
                yield what, name


def names_parts(record: Mapping[str, Any], given: Collection[str] = ()) -> str | None:
    """Says which part a record names in place of the model's own, beside those that are given."""
    named = ((part, record.get(part)) for part in PARTS if part not in given)
    parts = [f"the {part} {shown(name)}" for part, name in named if name is not None]
    parts += [f"{what} {shown(name)}" for what, name in _seen_through(record, given)]
    return parts[0] if parts else None


def why_not_at_hand(record: Mapping[str, Any]) -> str | None:
    """Why a record's model is not to be used unasked, for a sentence; None if it may be.

    Raises:
        InputError: The record's model, commit or variant is none.
    """
    name, commit, variant = (record.get(key) for key in ("model", "commit", "variant"))
    if not isinstance(name, str):
        raise InputError(f"the record's model must be a text, not {shown(name)}")
    if commit is not None and not (isinstance(commit, str) and _COMMIT.fullmatch(commit)):
        raise InputError(f"the record's commit must be 40 hexadecimal digits, not {shown(commit)}")
    if variant is not None and not (isinstance(variant, str) and _VARIANT.fullmatch(variant)):
        raise InputError(f"the record's variant must be a word, not {shown(variant)}")
    if name == BUILTIN:
        return None
    is_file = hub_file(name) is not None
    if commit is None or not (is_hub_id(name) or is_file):
        return "which is a folder" if local_file(name) is None else "which is a file"
    if Path(name).exists():
        return "which is of the hub, but something here is called so too"
    without = ("safety_checker",) if record.get("safety_checker") is False else ()
    try:
        locate(
            name,
            revision=commit,
            variant=variant,
            local_files_only=True,
            without=without,
            files=is_file,
        )
    except ModelNotFoundError:
        return f"which is not in the cache of models (version {commit[:7]})"
    return None


def with_model(record: Mapping[str, Any], model: str) -> dict[str, Any]:
    """The record with the user's model; the version that it says stays if that is here."""
    try:
        same = model == record.get("model") and why_not_at_hand(record) is None
    except InputError:
        same = False
    version = {} if same else {"commit": None, "variant": None}
    return {**record, "model": model, **version}
