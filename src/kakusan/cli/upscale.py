"""`kakusan upscale`: a picture larger, drawn over in tiles."""

from pathlib import Path
from typing import Annotated, Any

import typer

from kakusan.cli import picture_options
from kakusan.cli.generate import generate
from kakusan.cli.img2img import drawn_over, with_options_of
from kakusan.cli.options import any_number, whole_number
from kakusan.cli.usage import Command
from kakusan.errors import RequestError
from kakusan.request.checks import MAX_SIZE, SIZE_STEP

PANEL = "How it is made larger"
# What `generate` says of a whole picture
_WHOLE = (
    *("width", "height", "count", "grid", "seed_resize"),
    *("hires", "hires_upscaler", "hires_steps", "hires_strength"),
)


class CommandWithoutPrompt(Command):
    """PROMPT may be left out."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        for parameter in self.params:
            if parameter.name == "prompt":
                parameter.required = False
        return super().parse_args(ctx, args)


def upscale(
    context: typer.Context,
    picture: Annotated[
        Path,
        typer.Argument(metavar="PICTURE", help="A PNG, JPEG, WebP or BMP file."),
    ],
    scale: Annotated[
        float,
        typer.Option(
            metavar="X",
            parser=any_number(),
            help="How many times larger.",
            rich_help_panel=PANEL,
        ),
    ] = 2.0,
    strength: Annotated[
        float | None,
        typer.Option(
            metavar="X",
            parser=any_number(),
            help="How much is drawn anew, from 0 to 1; else the model's own, usually 0.3.",
            rich_help_panel=PANEL,
        ),
    ] = None,
    tile: Annotated[
        int | None,
        typer.Option(
            metavar="PIXELS",
            parser=whole_number(),
            help="The side of a tile; the model's own where not given.",
            rich_help_panel=PANEL,
        ),
    ] = None,
    overlap: Annotated[
        int | None,
        typer.Option(
            metavar="PIXELS",
            parser=whole_number(0),
            help="Over which tiles fade into each other; else an eighth of a tile.",
            rich_help_panel=PANEL,
        ),
    ] = None,
    keep_inputs: picture_options.KeepInputs = False,
    **options: Any,
) -> int:
    """Make PICTURE larger in tiles and print the path.

    It is resized by Lanczos, and each tile of it drawn over as PROMPT says, which every tile is
    drawn with: say what all of them show, or nothing. Tile i has SEED+i.
    """
    if tile is not None and (tile % SIZE_STEP or not SIZE_STEP <= tile <= MAX_SIZE):
        raise RequestError(
            f"--tile must be a multiple of {SIZE_STEP} from {SIZE_STEP} to {MAX_SIZE}, not {tile}"
        )
    settings = {
        "strength": strength,
        "upscale": {"scale": scale, "overlap": overlap},
        "width": tile,
        "height": tile,
    }
    if options.get("prompt") is None and options.get("like") is None:
        options["prompt"] = ""
    return drawn_over(context, picture, settings, options, keep=keep_inputs)


# typer reads the command line's parameters here
upscale.__signature__ = with_options_of(generate, upscale, _WHOLE)  # pyright: ignore[reportFunctionMemberAccess]
