"""Options of commands that begin at pictures, and how pictures are read, kept and found again."""

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kakusan.cli.console import remark
from kakusan.cli.options import any_number
from kakusan.request import RESIZE_MODES, Request
from kakusan.request.kept import kept_beside, kept_name

if TYPE_CHECKING:
    from PIL.Image import Image

    from kakusan.inputs import Given, Inputs, Masks

PANEL = "The picture that it begins at"


def complete_mode(incomplete: str) -> list[str]:
    return [mode for mode in RESIZE_MODES if mode.startswith(incomplete)]


Strength = Annotated[
    float | None,
    typer.Option(
        metavar="X",
        parser=any_number(),
        help="How much of it is drawn anew: 0 leaves it, 1 all; 0.6 where not given.",
        rich_help_panel=PANEL,
    ),
]
ResizeMode = Annotated[
    str | None,
    typer.Option(
        metavar="HOW",
        help="crop, fill or stretch, where its shape is another.",
        autocompletion=complete_mode,
        rich_help_panel=PANEL,
    ),
]
KeepInputs = Annotated[
    bool,
    typer.Option(
        "--keep-inputs",
        help="Save it beside the output, where reproduce finds it.",
        rich_help_panel=PANEL,
    ),
]
InputFiles = Annotated[
    list[Path] | None,
    typer.Option(
        "--input",
        metavar="FILE",
        help="A picture that PICTURE was made from; may be given again. Those kept beside PICTURE "
        "are found unasked.",
    ),
]


@dataclass(frozen=True)
class Begun:
    """What a command has read that begins at a picture.

    Attributes:
        picture: upright, in RGB or RGBA.
        name: of its file.
        keep: whether it is saved beside the output, and its mask.
        settings: what was typed of how it is used, under the names of a `Request`.
        mask: the path of a file, or the name of a shape; None where there is none.
        inverted: whether white stands for black there.
    """

    picture: "Image"
    name: str
    keep: bool
    settings: Mapping[str, Any]
    mask: str | None = None
    inverted: bool = False

    @property
    def paints(self) -> bool:
        """Whether a part is drawn anew, and the rest stays."""
        return self.mask is not None or self.settings.get("outpaint") is not None

    def inputs(self) -> "Inputs":
        """As the pipeline takes it.

        Raises:
            InputError: The mask is none, or covers nothing of the picture.
        """
        from kakusan.inputs import Given, Inputs, given_masks

        given = Given((self.picture,), names=(self.name,))
        mask = given_masks("mask", self.mask, files=True, picture=given)
        if mask is not None and self.inverted:
            mask = mask.inverted()
        return Inputs(image=given, mask=mask)


def read(path: Path) -> "Image":
    """The picture in a file, before anything is loaded.

    Raises:
        InputError: It is none, broken, or too large.
    """
    from kakusan.images.upright import plain_from

    return plain_from(path)


def keep(inputs: "Inputs", folder: Path) -> None:
    """Save pictures and masks that were handed in, each under a name with its hash.

    Raises:
        OutputError: One cannot be written.
    """
    seen = [(each.pictures, "picture that it was drawn like") for each in inputs.seen]
    begun = [(inputs.image, "picture that it began at"), (inputs.mask, "mask")]
    for given, told in (*begun, *seen):
        if given is not None:
            keep_each(given, told, folder)


def keep_each(given: "Given | Masks", told: str, folder: Path) -> None:
    """Save pictures or masks, each under a name with its hash.

    Args:
        told: what they are, for people.
    """
    for image, file in zip(given.images, given.files(), strict=True):
        path = folder / kept_name(file.sha256)
        _save(image, path)
        remark(f"'{path}' is the {told}")


def keep_one(image: "Image", kind: str, folder: Path) -> Path:
    """Save a picture that was made on the way, under a name with a hash of its pixels."""
    digest = hashlib.sha256(image.tobytes()).hexdigest()
    path = folder / f"{kind}-{digest[:16]}.png"
    _save(image, path)
    return path


def _save(image: "Image", path: Path) -> None:
    from kakusan.checkpoints.files import write_bytes

    if not path.exists():
        data = io.BytesIO()
        image.save(data, format="PNG")
        write_bytes(path, data.getvalue())


def found_again(
    requests: Sequence[Request], given: Sequence[Path] | None, folder: Path
) -> list[Path]:
    """The files that the user names, and those that were kept beside a picture."""
    kept = dict.fromkeys(path for request in requests for path in kept_beside(request, folder))
    return [*(given or ()), *kept]
