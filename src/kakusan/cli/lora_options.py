"""Options that name adapters, and how what is typed for them is read."""

import os
from collections.abc import Sequence
from typing import Annotated

import typer

from kakusan.cli.folders import read_folders
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
        found = tuple(Lora(each) if os.path.isfile(each) else typed(each) for each in given or ())
    return found or None
