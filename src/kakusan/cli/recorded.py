"""What a picture's record asks for, checked before anything is loaded."""

import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import typer

from kakusan.cli import picture_options
from kakusan.cli.console import one_line
from kakusan.errors import InputError, RequestError, shown, shown_path
from kakusan.request import MAX_PICTURES, Request, reproducible
from kakusan.request.kept import recorded_pictures

WORDS = {
    "model": "--model",
    "unet": "--unet",
    "vae": "--vae",
    "embeddings": "--embedding or --embeddings-dir",
    "trust_model": "--yes",
    "lora_dirs": "--lora-dir",
    "inputs": "--input",
    "control_models": "--control-model",
}


def check_record(record: Mapping[str, object]) -> None:
    """Check all that can be checked of one picture's record before a model is loaded.

    Raises:
        InputError: It tells too little, or is not what kakusan writes.
    """
    if not isinstance(record.get("kakusan"), str):
        raise InputError(f"the record's kakusan must be a text, not {shown(record['kakusan'])}")
    reproducible(record)


def pictures_in(
    record: dict[str, object], path: Path, model: str | None
) -> tuple[list[dict[str, object]], int, int]:
    """The checked records of the pictures in a file, with the rows and columns they stand in.

    A `model` stands in for the one that they name.
    """
    from kakusan.checkpoints.recorded import with_model
    from kakusan.images import grid_records

    if "sheet" in record:
        raise InputError(
            f"{shown_path(path)} is a sheet of pictures with words beside them, as `kakusan grid` "
            "draws, and not of one request; draw it with that again (`kakusan info` shows what "
            "each picture was asked)"
        )
    records, rows, cols = grid_records(record) if "grid" in record else ([record], 1, 1)
    if len(records) > MAX_PICTURES:
        raise InputError(f"the record is of {len(records)} pictures; at most {MAX_PICTURES} are")
    if model is not None:
        records = [with_model(each, model) for each in records]
    for each in records:
        check_record(each)
    sizes = {(each.get("width"), each.get("height")) for each in records}
    if len(sizes) > 1:
        raise InputError("the record's grid is broken: its pictures have different sizes")
    return records, rows, cols


def check_trusted(
    records: Sequence[Mapping[str, object]],
    path: Path,
    *,
    yes: bool,
    given: Collection[str] = (),
) -> bool:
    """See that the records' models are the user's own, or that the user wants what is named.

    On a terminal the user is asked.

    Args:
        given: What the user named: "model", or parts in place of its own.

    Returns:
        Whether models and parts that are not the user's own may be used.

    Raises:
        InputError: One is not, and the user did not say that it may be used.
    """
    from kakusan.checkpoints.recorded import (
        check_at_hand,
        check_parts_at_hand,
        names_parts,
        why_not_at_hand,
    )

    for each in [] if yes else records:
        why = None if "model" in given else why_not_at_hand(each)
        named = names_parts(each, given)
        if why is not None:
            named = f"the model {shown(each.get('model'))}, {why}"
        if named is None:
            continue
        if sys.stdin.isatty() and sys.stderr.isatty():
            question = f"{shown_path(path)} names {one_line(named)}. Use it?"
            if typer.confirm(question, err=True):
                return True
        if why is not None:
            check_at_hand(each)
        check_parts_at_hand(each, given)
    return yes


def with_embeddings(
    record: Mapping[str, object], given: Sequence[str] | None, *, trusted: bool
) -> dict[str, object]:
    """A record whose learnt words are of files that may be read.

    Raises:
        ArgumentError: A file is not among the user's, and may not be used unasked.
    """
    from kakusan.checkpoints.recorded_embeddings import embeddings_again

    found = embeddings_again(reproducible(record).embeddings, given, trusted=trusted)
    return {**record} if found is None else {**record, "embeddings": list(found)}


def check_inputs(requests: Sequence[Request], picture: Path, found: Sequence[Path]) -> None:
    """See that what the pictures are made from is there, before a model is loaded.

    Raises:
        InputError: Something is missing, is another picture, or is not needed.
    """
    needed = [each for request in requests for each in recorded_pictures(request)]
    if found and not needed:
        raise RequestError(
            f"{shown_path(picture)} was made from no other picture; leave --input out"
        )
    for path in found:
        picture_options.read(path)
    if needed and not found:
        first = needed[0]
        raise RequestError(
            f"{shown_path(picture)} was made from the picture {first.words}, "
            f"{first.width}x{first.height}; name its file with --input"
        )


def check_nets(
    records: Sequence[Mapping[str, object]], given: Sequence[str] | None, *, trusted: bool
) -> None:
    """See that networks which steered the pictures are named, before a model is loaded.

    Raises:
        RequestError: A record's own would have to be used unasked, or none is needed.
    """
    from kakusan.checkpoints.source import BUILTIN

    nets = [asked for record in records for asked in reproducible(record).controls or ()]
    if given and not nets:
        raise RequestError("no network steered the picture; leave --control-model out")
    asked = [each for each in nets if each.model != BUILTIN]
    if asked and not given and not trusted:
        named = asked[0].model or "one that was handed in"
        raise RequestError(
            f"the picture was steered by the network {shown(named)}; say with --control-model "
            "where it is"
        )
