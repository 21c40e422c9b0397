"""Options that say which part of a picture is drawn anew."""

from typing import Annotated

import typer

from kakusan.cli.options import any_number, whole_number
from kakusan.request.masks import MASKED_CONTENTS, OUTSIDES

PANEL = "The part that is drawn anew"
FORMS = "the file of a mask, alpha, box:x,y,w,h or ellipse:x,y,w,h"


def complete_content(incomplete: str) -> list[str]:
    return [name for name in MASKED_CONTENTS if name.startswith(incomplete)]


def complete_outside(incomplete: str) -> list[str]:
    return [name for name in OUTSIDES if name.startswith(incomplete)]


Mask = Annotated[
    str | None,
    typer.Option(
        metavar="MASK",
        help="A file, white where it is drawn anew; or alpha (what PICTURE leaves transparent), "
        "box:x,y,w,h, ellipse:x,y,w,h.",
        rich_help_panel=PANEL,
    ),
]
InvertMask = Annotated[
    bool,
    typer.Option("--invert-mask", help="Draw anew what is black.", rich_help_panel=PANEL),
]
MaskBlur = Annotated[
    float | None,
    typer.Option(
        metavar="X",
        parser=any_number(),
        help="How far the mask's edge is blurred, in pixels; 4 where not given.",
        rich_help_panel=PANEL,
    ),
]
MaskedContent = Annotated[
    str | None,
    typer.Option(
        metavar="WHAT",
        help="What it begins as: original, fill (colours around it), noise, nothing.",
        autocompletion=complete_content,
        rich_help_panel=PANEL,
    ),
]
OnlyMasked = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        parser=whole_number(),
        help="Draw only the part around the mask, N pixels on each side, at the full size.",
        rich_help_panel=PANEL,
    ),
]
Outside = Annotated[
    str | None,
    typer.Option(
        metavar="HOW",
        help="exact, as where not given, or decoded: all of it as the VAE shows it.",
        autocompletion=complete_outside,
        rich_help_panel=PANEL,
    ),
]
SoftMask = Annotated[
    bool,
    typer.Option("--soft-mask", help="Mix old and new by the mask's grey.", rich_help_panel=PANEL),
]
Strength = Annotated[
    float | None,
    typer.Option(
        metavar="X",
        parser=any_number(),
        help="How much of it is drawn anew: 0 leaves it, 1 all; 0.75 where not given.",
        rich_help_panel=PANEL,
    ),
]
OutpaintStrength = Annotated[
    float | None,
    typer.Option(
        metavar="X",
        parser=any_number(),
        help="How far it goes from PICTURE's edges, drawn out: 0.6 where not given.",
        rich_help_panel=PANEL,
    ),
]


def _side(name: str) -> object:
    return typer.Option(
        f"--{name}",
        metavar="N",
        parser=whole_number(),
        help=f"Pixels added {'at the ' if name in ('left', 'right') else ''}{name}.",
        rich_help_panel=PANEL,
    )


Left = Annotated[int, _side("left")]
Right = Annotated[int, _side("right")]
Up = Annotated[int, _side("up")]
Down = Annotated[int, _side("down")]
Feather = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        parser=whole_number(),
        help="Pixels of the old picture that blend into the new; an eighth, up to 32.",
        rich_help_panel=PANEL,
    ),
]
