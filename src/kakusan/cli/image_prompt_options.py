"""Options that name pictures to attend to through IP-Adapters, and FreeU."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from kakusan.cli import picture_options
from kakusan.errors import RequestError
from kakusan.request import freeu
from kakusan.request.image_prompts import ImagePrompt, typed
from kakusan.vocabulary import COMMAND_LINE

if TYPE_CHECKING:
    from PIL.Image import Image

    from kakusan.inputs import SeenPictures

ImagePrompts = Annotated[
    list[str] | None,
    typer.Option(
        "--image-prompt",
        metavar="PICTURE@ADAPTER[:SCALE]",
        help="A picture to draw like, the IP-Adapter's file, how strong; again for more.",
    ),
]
ImageEncoder = Annotated[
    str | None,
    typer.Option(
        metavar="FOLDER", help="CLIP's picture encoder, where none lies beside the IP-Adapter."
    ),
]
KeepInputs = Annotated[
    bool,
    typer.Option(
        "--keep-inputs", help="Save those pictures beside the output, where reproduce finds them."
    ),
]
FreeU = Annotated[
    str | None,
    typer.Option(
        metavar="B1,B2,S1,S2",
        help="FreeU's weights of backbone and skips, such as 1.5,1.6,0.9,0.2; SDXL 1.3,1.4,...",
    ),
]


class Prompts(NamedTuple):
    """What was typed: for each adapter what is asked of it, and its pictures."""

    asked: tuple[ImagePrompt, ...]
    pictures: "tuple[tuple[tuple[Image, str], ...], ...]"

    def seen(self) -> "tuple[SeenPictures, ...]":
        """As the pipeline takes them."""
        from kakusan.inputs import Given, SeenPictures

        found: list[SeenPictures] = []
        for several in self.pictures:
            images, names = zip(*several, strict=True)
            found.append(SeenPictures(Given(tuple(images), names=tuple(names))))
        return tuple(found)


def read(given: Sequence[str] | None, encoder: str | None) -> Prompts:
    """The pictures, read before anything is loaded; those of one adapter and scale are together.

    Raises:
        InputError: One is no picture, or is not said as it should be.
    """
    if encoder is not None and not given:
        raise RequestError("--image-encoder is for --image-prompt; give one, or leave it out")
    by_adapter: dict[tuple[str, float], list[tuple[Image, str]]] = {}
    for text in given or ():
        with COMMAND_LINE.spoken():
            picture, adapter, scale = typed(text)
        path = Path(picture).expanduser()
        image = picture_options.read(path)
        by_adapter.setdefault((adapter, scale), []).append((image, path.name))
    asked = [ImagePrompt(adapter, scale, encoder=encoder) for adapter, scale in by_adapter]
    return Prompts(tuple(asked), tuple(tuple(each) for each in by_adapter.values()))


def read_freeu(text: str | None) -> freeu.FreeUWeights | None:
    """FreeU's weights as they were typed.

    Raises:
        ArgumentError: They are not four numbers.
    """
    with COMMAND_LINE.spoken():
        return None if text is None else freeu.typed(text)
