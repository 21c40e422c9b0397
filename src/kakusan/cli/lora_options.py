"""Options that name adapters, and how what is typed for them is read."""

import os
from collections.abc import Sequence
from typing import Annotated

import typer

from kakusan.cli.folders import read_folders
from kakusan.errors import ArgumentError, shown, shown_path
from kakusan.request.loras import Lora, typed
from kakusan.vocabulary import COMMAND_LINE

Loras = Annotated[
    list[str] | None,
    typer.Option(
        "--lora",
        metavar="FILE[:W[:UNET_W]]",
        help="A LoRA or the like, a file or a name, and how strong it is; several times for more.",
    ),
]
LoraDirs = Annotated[
    list[str] | None,
    typer.Option(
        "--lora-dir",
        metavar="FOLDER",
        help="Where names of adapters are looked for; KAKUSAN_LORA_DIR else.",
    ),
]


def read_dirs(given: Sequence[str] | None) -> list[str] | None:
    """The folders that were named, whether or not anything is looked for in them.

    Raises:
        RequestError: One is none.
    """
    return read_folders("--lora-dir", given) or None


def read_loras(given: Sequence[str] | None) -> tuple[Lora, ...] | None:
    """What was typed; a file whose name ends like a strength is that file.

    Raises:
        ArgumentError: One has no name, or its strength is no finite number.
    """
    with COMMAND_LINE.spoken():
        return tuple(map(_read, given or ())) or None


def _read(text: str) -> Lora:
    pieces = text.split(":")
    names = (":".join(pieces[:end]) for end in range(len(pieces), max(0, len(pieces) - 6), -1))
    file = next(filter(os.path.isfile, names), None)
    if file is None:
        return typed(text)
    strengths = text[len(file) :]
    found = typed(f"file{strengths}")
    if found.name != "file":
        raise ArgumentError(
            "{loras}: {0} behind {1} is no strength; write one number, such as FILE:0.8, or one "
            "for the text encoder and one for the UNet, such as FILE:0.8:0.5",
            shown(strengths),
            shown_path(file),
        )
    return found._replace(name=file)
