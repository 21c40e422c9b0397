"""Options that say how noise is drawn, and how what is typed for them is read."""

import re
from pathlib import Path
from typing import Annotated

import typer

from kakusan.cli.options import any_number, whole_number
from kakusan.errors import RequestError, shown
from kakusan.request.randomness import RNGS

PANEL = "Noise as other tools draw it"


def read_size(text: str | None) -> tuple[int, int] | None:
    """WIDTHxHEIGHT as (height, width), which is a request's order.

    Raises:
        RequestError: It is not that.
    """
    if text is None:
        return None
    match = re.fullmatch(r"\s*(\d{1,6})\s*[x×*]\s*(\d{1,6})\s*", text, re.IGNORECASE)
    if match is None:
        raise RequestError(
            f"--seed-resize must be WIDTHxHEIGHT, such as 512x768, not {shown(text)}"
        )
    return int(match[2]), int(match[1])


def complete_rng(incomplete: str) -> list[str]:
    return [name for name in RNGS if name.startswith(incomplete)]


Rng = Annotated[
    str | None,
    typer.Option(
        "--rng",
        metavar="TOOL",
        help="Whose: gpu, cpu or nv (AUTOMATIC1111's), comfy, invoke, sdcpp, diffusers.",
        autocompletion=complete_rng,
        rich_help_panel=PANEL,
    ),
]
VariationSeed = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        parser=whole_number(),
        help="Whose noise is mixed in; picture i has N+i; else random.",
        rich_help_panel=PANEL,
    ),
]
VariationStrength = Annotated[
    float | None,
    typer.Option(
        metavar="X",
        parser=any_number(),
        help="How much of it, from 0 to 1.",
        rich_help_panel=PANEL,
    ),
]
SeedResize = Annotated[
    str | None,
    typer.Option(
        metavar="WxH",
        help="The size of the picture that the seed is of.",
        rich_help_panel=PANEL,
    ),
]
Ensd = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        parser=whole_number(),
        help="Eta noise seed delta, such as 31337, of samplers that add noise.",
        rich_help_panel=PANEL,
    ),
]
ModelsDir = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="FOLDER",
        help="Where to look for another tool's model, by hash and name; may be given again.",
    ),
]
