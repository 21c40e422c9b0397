"""Options that name networks which steer by pictures, and how these pictures are read and kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kakusan.cli import picture_options
from kakusan.cli.console import remark
from kakusan.errors import RequestError, shown
from kakusan.request import ControlAsked, Request
from kakusan.request.controls import CONTROL_MODES
from kakusan.request.preprocessors import PREPROCESSORS
from kakusan.request.typed_controls import FORM, typed_control
from kakusan.vocabulary import COMMAND_LINE

if TYPE_CHECKING:
    from PIL.Image import Image

    from kakusan.inputs import Inputs

PANEL = "Pictures that steer"


def complete_kind(incomplete: str) -> list[str]:
    return [f"{name}:" for name in PREPROCESSORS if name.startswith(incomplete)]


def complete_mode(incomplete: str) -> list[str]:
    return [mode for mode in CONTROL_MODES if mode.startswith(incomplete)]


Controls = Annotated[
    list[str] | None,
    typer.Option(
        "--control",
        metavar="KIND:PICTURE@MODEL",
        help=f"A ControlNet or T2I-Adapter and its picture, {FORM}; KIND makes it of PICTURE: "
        f"{', '.join(PREPROCESSORS)}. Several times for more.",
        autocompletion=complete_kind,
        rich_help_panel=PANEL,
    ),
]
ControlMode = Annotated[
    str | None,
    typer.Option(
        metavar="MODE",
        help="balanced, prompt, control or guess: what counts more.",
        autocompletion=complete_mode,
        rich_help_panel=PANEL,
    ),
]
ControlModels = Annotated[
    list[str] | None,
    typer.Option(
        "--control-model",
        metavar="WHERE",
        help="A ControlNet that PICTURE was made with, now; several times for more.",
    ),
]


@dataclass(frozen=True)
class ReadControls:
    """What a command has read of pictures that steer.

    Attributes:
        asked: one for each network.
        pictures: in RGB or RGBA, upright.
        names: of their files.
    """

    asked: tuple[ControlAsked, ...]
    pictures: tuple["Image", ...]
    names: tuple[str, ...]

    def handed_in(self, inputs: "Inputs | None") -> "Inputs":
        """Inputs with these pictures among them."""
        from dataclasses import replace

        from kakusan.inputs import ControlInput, ControlPictures, Given, Inputs

        each = zip(self.pictures, self.names, strict=True)
        given = (ControlPictures(Given((image,), names=(name,))) for image, name in each)
        controls = tuple(ControlInput(None, pictures) for pictures in given)
        return replace(inputs or Inputs(), controls=controls)


def read(given: Sequence[str] | None, mode: str | None) -> ReadControls | None:
    """What was typed; None for nothing.

    Raises:
        InputError: It has another form, or a picture is none.
    """
    if mode is not None and mode not in CONTROL_MODES:
        raise RequestError(
            f"--control-mode must be one of {', '.join(CONTROL_MODES)}, not {shown(mode)}"
        )
    if not given:
        if mode is not None:
            raise RequestError("--control-mode says how a --control counts, and there is none")
        return None
    with COMMAND_LINE.spoken():
        typed = [typed_control(text, mode) for text in given]
    paths = [Path(each.picture).expanduser() for each in typed]
    pictures = tuple(picture_options.read(path) for path in paths)
    return ReadControls(
        tuple(each.asked for each in typed), pictures, tuple(path.name for path in paths)
    )


def keep(inputs: "Inputs", record: Mapping[str, object], folder: Path) -> None:
    """Save the pictures that steer, and what the networks were shown of them.

    Args:
        record: of a picture that they steered.

    Raises:
        OutputError: One cannot be written.
    """
    from kakusan.steering import hints

    request = Request.from_record(record)
    for number, given in enumerate(inputs.controls):
        if given.pictures.images is None:
            continue
        picture_options.keep_each(given.pictures.images, "picture that steered it", folder)
        asked = (request.controls or ())[number]
        for hint in hints(asked, given.pictures, request, inputs, _FACTOR)[:1]:
            seen = hint.seen()
            path = picture_options.keep_one(seen, "control", folder)
            remark(f"'{path}' is what network {number + 1} was shown")


_FACTOR = 8  # pixels along one side of a latent
