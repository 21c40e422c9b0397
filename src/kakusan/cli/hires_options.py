"""Options of a second, larger pass, and how what is typed for them is read."""

import re
from typing import Annotated, Any

import typer

from kakusan.cli.options import any_number, whole_number
from kakusan.errors import RequestError, shown
from kakusan.request.upscalers import UPSCALERS

PANEL = "A second pass, larger"
_SIZE = re.compile(r"\s*(\d{1,6})\s*[x×*]\s*(\d{1,6})\s*", re.IGNORECASE)


def read(
    hires: str | None, upscaler: str | None, steps: int | None, strength: float | None
) -> dict[str, Any] | None:
    """The settings of the second pass, as a request has them; None where there is none.

    Raises:
        RequestError: The size cannot be read, or there is none.
    """
    options = {"upscaler": upscaler, "steps": steps, "strength": strength}
    given = {name: value for name, value in options.items() if value is not None}
    if hires is None:
        if given:
            raise RequestError(
                f"--hires-{next(iter(given))} is of a second pass, and there is none; give --hires "
                "2 or --hires WIDTHxHEIGHT too"
            )
        return None
    return {**_size(hires), **given}


def _size(text: str) -> dict[str, float]:
    """How many times larger, or WIDTHxHEIGHT; a side of 0 keeps the picture's shape."""
    if (match := _SIZE.fullmatch(text)) is not None:
        sides = {"width": int(match[1]), "height": int(match[2])}
        found: dict[str, float] = {name: side for name, side in sides.items() if side}
        if found:
            return found
    try:
        return {"scale": float(text.strip().removesuffix("x"))}
    except ValueError:
        raise RequestError(
            "--hires must be how many times larger, such as 2, or WIDTHxHEIGHT, such as 1024x768, "
            f"not {shown(text)}"
        ) from None


def complete_upscaler(incomplete: str) -> list[str]:
    return [name for name in UPSCALERS if name.startswith(incomplete)]


Hires = Annotated[
    str | None,
    typer.Option(
        "--hires",
        metavar="X|WxH",
        help="Draw the picture again, X times larger or at this size.",
        rich_help_panel=PANEL,
    ),
]
Upscaler = Annotated[
    str | None,
    typer.Option(
        "--hires-upscaler",
        metavar="NAME",
        help="Latent, which redraws more, or of the finished picture Lanczos; and others.",
        autocompletion=complete_upscaler,
        rich_help_panel=PANEL,
    ),
]
Steps = Annotated[
    int | None,
    typer.Option(
        "--hires-steps",
        metavar="N",
        parser=whole_number(),
        help="As many as the first pass where not given.",
        rich_help_panel=PANEL,
    ),
]
Strength = Annotated[
    float | None,
    typer.Option(
        "--hires-strength",
        metavar="X",
        parser=any_number(),
        help="How much is drawn anew, above 0 and up to 1; 0.7 where not given.",
        rich_help_panel=PANEL,
    ),
]
