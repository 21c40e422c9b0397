"""`kakusan inpaint` and `kakusan outpaint`: a part of a picture anew, or more of it."""

from pathlib import Path
from typing import Annotated, Any

import typer

from kakusan.cli import mask_options, picture_options
from kakusan.cli.generate import generate
from kakusan.cli.img2img import drawn_over, with_options_of
from kakusan.errors import RequestError

Picture = Annotated[Path, typer.Argument(metavar="PICTURE", help="A PNG, JPEG, WebP or BMP file.")]


def inpaint(
    context: typer.Context,
    picture: Picture,
    mask: mask_options.Mask = None,
    invert_mask: mask_options.InvertMask = False,
    mask_blur: mask_options.MaskBlur = None,
    masked_content: mask_options.MaskedContent = None,
    only_masked: mask_options.OnlyMasked = None,
    outside: mask_options.Outside = None,
    soft_mask: mask_options.SoftMask = False,
    strength: mask_options.Strength = None,
    keep_inputs: picture_options.KeepInputs = False,
    **options: Any,
) -> int:
    """Draw PROMPT where a mask covers PICTURE and print the paths.

    The result is as large as PICTURE, and outside the mask and its blurred edge each pixel is that
    of PICTURE. With --only-masked the part around the mask is drawn at the model's full size.
    """
    if mask is None:
        raise RequestError(f"--mask is missing; it says what is drawn anew: {mask_options.FORMS}")
    settings = {
        "strength": strength,
        "mask_blur": mask_blur,
        "masked_content": masked_content,
        "only_masked": only_masked,
        "outside": outside,
        "soft_mask": soft_mask or None,
    }
    return drawn_over(
        *(context, picture, settings, options), keep=keep_inputs, mask=mask, inverted=invert_mask
    )


def outpaint(
    context: typer.Context,
    picture: Picture,
    left: mask_options.Left = 0,
    right: mask_options.Right = 0,
    up: mask_options.Up = 0,
    down: mask_options.Down = 0,
    feather: mask_options.Feather = None,
    masked_content: mask_options.MaskedContent = None,
    strength: mask_options.OutpaintStrength = None,
    keep_inputs: picture_options.KeepInputs = False,
    **options: Any,
) -> int:
    """Draw more of PICTURE at its sides and print the paths.

    The new part is blended into the old one at its edge (--feather); behind that, each pixel is
    that of PICTURE. PROMPT says what all of the new picture shows.
    """
    sides = {"left": left, "right": right, "up": up, "down": down}
    if not any(sides.values()):
        raise RequestError(
            "nothing is added; say with --left, --right, --up or --down how many pixels"
        )
    outpaint = sides if feather is None else {**sides, "feather": feather}
    settings = {"strength": strength, "masked_content": masked_content, "outpaint": outpaint}
    return drawn_over(context, picture, settings, options, keep=keep_inputs)


# typer reads the command line's parameters here
for command in (inpaint, outpaint):
    command.__signature__ = with_options_of(generate, command)  # pyright: ignore[reportFunctionMemberAccess]
