"""`kakusan img2img`: from a picture to pictures in files."""

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from kakusan.cli import picture_options
from kakusan.cli.generate import generate
from kakusan.errors import RequestError

# What `generate` chooses for pictures from noise alone
_NOT_HERE = ("fast",)


def img2img(
    context: typer.Context,
    picture: Annotated[
        Path,
        typer.Argument(metavar="PICTURE", help="A PNG, JPEG, WebP or BMP file to begin at."),
    ],
    strength: picture_options.Strength = None,
    resize_mode: picture_options.ResizeMode = None,
    keep_inputs: picture_options.KeepInputs = False,
    **options: Any,
) -> int:
    """Draw PROMPT over PICTURE and print the paths.

    They are as large as PICTURE, rounded down to multiples of 8, or of a far larger one about as
    large as the model's own in its shape; --width and --height say otherwise. PICTURE is turned as
    its EXIF says, and what is transparent is white.
    """
    settings = {"strength": strength, "resize_mode": resize_mode}
    return drawn_over(context, picture, settings, options, keep=keep_inputs)


def drawn_over(
    context: typer.Context,
    picture: Path,
    settings: Mapping[str, Any],
    options: Mapping[str, Any],
    *,
    keep: bool,
    mask: str | None = None,
    inverted: bool = False,
) -> int:
    """`generate` over a picture, as `kakusan.cli.picture_options.Begun` has it.

    Args:
        options: those of `generate`.

    Raises:
        InputError: A picture cannot be read, or a value is out of its range.
    """
    strength = settings.get("strength")
    if strength is not None and not 0.0 <= strength <= 1.0:
        raise RequestError(f"--strength must be a number from 0 to 1, not {strength:g}")
    image = picture_options.read(picture)
    context.obj = picture_options.Begun(image, picture.name, keep, settings, mask, inverted)
    return generate(context, **dict.fromkeys(_NOT_HERE, False), **options)


def with_options_of(command: Any, own: Any, without: Sequence[str] = ()) -> inspect.Signature:
    """The signature of `own` with the options of another command, after its own arguments.

    Args:
        without: names of those that it does not take.
    """
    left = (*_NOT_HERE, *without)
    mine = inspect.signature(own, eval_str=True).parameters
    theirs = inspect.signature(command, eval_str=True).parameters
    arguments = [each for each in mine.values() if each.default is each.empty]
    options = [each for each in mine.values() if each.default is not each.empty]
    shared = [each for name, each in theirs.items() if name not in (*mine, *left)]
    first = [each for each in arguments if each.kind is not each.VAR_KEYWORD]
    # options by keyword, as those that follow them have no defaults
    return inspect.Signature([*first, *(shared[:1]), *options, *shared[1:]])


# typer reads the command line's parameters here
img2img.__signature__ = with_options_of(generate, img2img)  # pyright: ignore[reportFunctionMemberAccess]
