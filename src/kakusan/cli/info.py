"""`kakusan info`: how a picture was made."""

import json
from pathlib import Path
from typing import Annotated

import typer

from kakusan.cli.console import say, say_json
from kakusan.cli.exits import DONE
from kakusan.errors import InputError


def load_record(path: Path) -> dict[str, object]:
    """The record in a picture's file.

    Raises:
        InputError: The file is no picture that can be read, or has no record.
    """
    from kakusan.images import read_record

    record = read_record(path)
    if record is None:
        raise InputError(
            f"'{path}' has no record of how it was made; kakusan and AUTOMATIC1111's web UI "
            "write one into PNG, JPEG and WebP, but editing or uploading often removes it"
        )
    return record


def _line(name: str, value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"{name}: {text}".replace("\n", "\n    ")


def info(
    picture: Annotated[
        Path,
        typer.Argument(metavar="PICTURE", help="A PNG, JPEG or WebP file, or latents of kakusan."),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print the record as JSON.")] = False,
) -> int:
    """Show how PICTURE was made: prompt, seed, model and the rest."""
    if picture.suffix.casefold() == ".safetensors":
        from kakusan.images.latents import latents_record

        record = latents_record(picture)
    else:
        record = load_record(picture)
    if as_json:
        say_json(record)
        return DONE
    for name, value in record.items():
        if value is not None and value != []:
            say(_line(name, value))
    return DONE
