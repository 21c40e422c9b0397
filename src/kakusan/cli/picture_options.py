"""Options of commands that begin at pictures, and how pictures are read, kept and found again."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from kakusan.cli.console import remark
from kakusan.cli.options import any_number
from kakusan.request import RESIZE_MODES

if TYPE_CHECKING:
    from PIL.Image import Image

    from kakusan.inputs import Given, Inputs

PANEL = "The picture that it begins at"
_FIELDS = ("image",)  # of a record, that tell of pictures


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
        keep: Whether it is saved beside the output.
    """

    picture: "Image"
    name: str
    strength: float | None
    resize_mode: str | None
    keep: bool

    def inputs(self) -> "Inputs":
        """As the pipeline takes it."""
        from kakusan.inputs import Given, Inputs

        return Inputs(image=Given((self.picture,), names=(self.name,)))


def read(path: Path) -> "Image":
    """The picture in a file, before anything is loaded.

    Raises:
        InputError: It is none, broken, or too large.
    """
    from kakusan.images.upright import plain_from

    return plain_from(path)


def keep(given: "Given", folder: Path) -> None:
    """Save pictures that were handed in, each under a name with its hash.

    Raises:
        OutputError: One cannot be written.
    """
    from kakusan.checkpoints.files import write_bytes

    for image, file in zip(given.images, given.files(), strict=True):
        path = folder / _kept_name(file.sha256)
        if not path.exists():
            data = io.BytesIO()
            image.save(data, format="PNG")
            write_bytes(path, data.getvalue())
        remark(f"'{path}' is the picture that it began at")


def named_in(record: Mapping[str, object]) -> list[str]:
    """The hashes of the pictures that a record tells of; whatever else stands there is left."""
    found: list[str] = []
    for name in _FIELDS:
        value = record.get(name)
        several = cast("list[object]", value) if isinstance(value, list) else [value]
        for each in several:
            told = cast("Mapping[str, object]", each if isinstance(each, Mapping) else {})
            digest = told.get("sha256")
            found += [digest] if isinstance(digest, str) and digest.isalnum() else []
    return found


def found_again(
    records: Sequence[Mapping[str, object]], given: Sequence[Path] | None, folder: Path
) -> list[Path]:
    """The files that the user names, and those that were kept beside a picture."""
    hashes = dict.fromkeys(digest for record in records for digest in named_in(record))
    kept = [folder / _kept_name(digest) for digest in hashes]
    return [*(given or ()), *(path for path in kept if path.is_file())]


def _kept_name(digest: str) -> str:
    return f"input-{digest[:16]}.png"
