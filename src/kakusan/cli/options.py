"""Options that several commands have, and how what is typed for them is read."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from kakusan.errors import shown
from kakusan.samplers import SAMPLERS

DTYPES = ("float32", "float16", "bfloat16")
DEVICES = ("cpu", "cuda", "mps", "xpu")

Number = TypeVar("Number", int, float)


def whole_number(least: int | None = None, most: int | None = None) -> Callable[[str], int]:
    """A reader of whole numbers; `least` and `most` are the ends of what is allowed."""

    def read(text: str | int) -> int:
        try:
            number = int(text)
        except ValueError:
            raise typer.BadParameter(f"must be a whole number, not {shown(text)}") from None
        if most is not None and number > most:
            raise typer.BadParameter(f"must be at most {most}, not {shown(number)}")
        return _checked(number, least)

    return read


def any_number(least: float | None = None) -> Callable[[str], float]:
    """A reader of numbers; `least` is the smallest that is allowed."""

    def read(text: str | float) -> float:
        try:
            number = float(text)
        except ValueError:
            raise typer.BadParameter(f"must be a number, not {shown(text)}") from None
        return _checked(number, least)

    return read


def _checked(number: Number, least: float | None) -> Number:
    if least is not None and not number >= least:
        raise typer.BadParameter(f"must be at least {least:g}, not {shown(number)}")
    return number


def _starting(words: Iterable[str], incomplete: str) -> list[str]:
    return [word for word in words if word.startswith(incomplete)]


def complete_scheduler(incomplete: str) -> list[str]:
    return _starting((each.short for each in SAMPLERS), incomplete)


def complete_dtype(incomplete: str) -> list[str]:
    return _starting(DTYPES, incomplete)


def complete_device(incomplete: str) -> list[str]:
    return _starting(DEVICES, incomplete)


def complete_model(incomplete: str) -> list[str]:
    """The built-in model and those of the Hub's cache; folders are the shell's to complete."""
    return _starting(("builtin", *sorted(_cached())), incomplete)


def complete_cached(incomplete: str) -> list[str]:
    return _starting(sorted(_cached()), incomplete)


def _cached() -> Iterator[str]:
    """Names of models in the Hub's cache, by its folders alone: scanning it takes too long."""
    from huggingface_hub.constants import HF_HUB_CACHE

    for folder in Path(HF_HUB_CACHE).glob("models--*"):
        yield folder.name.removeprefix("models--").replace("--", "/", 1)


Negative = Annotated[
    str, typer.Option("-n", "--negative", metavar="TEXT", help="What not to draw.")
]
Model = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="builtin, a folder, a file, or a Hub id.",
        autocompletion=complete_model,
    ),
]
Revision = Annotated[
    str | None, typer.Option(metavar="NAME", help="A branch, tag or commit of a Hub model.")
]
Variant = Annotated[
    str | None, typer.Option(metavar="NAME", help="Such as fp16, of the parts that have it.")
]
Unet = Annotated[
    str | None,
    typer.Option(metavar="WHERE", help="A folder or FILE in place of the model's UNet."),
]
Vae = Annotated[
    str | None,
    typer.Option(
        metavar="WHERE", help="A folder or FILE in place of the model's VAE, such as TAESD."
    ),
]
Prediction = Annotated[
    str | None,
    typer.Option(
        metavar="KIND",
        help="epsilon or v_prediction, of a single file; else as the file tells.",
    ),
]
Steps = Annotated[
    int | None,
    typer.Option(metavar="N", parser=whole_number(), help="Else as many as the model likes."),
]
Guidance = Annotated[
    float | None,
    typer.Option(metavar="X", parser=any_number(), help="How strictly to follow PROMPT."),
]
Width = Annotated[
    int | None,
    typer.Option(metavar="PIXELS", parser=whole_number(), help="A multiple of 8."),
]
Height = Annotated[
    int | None,
    typer.Option(metavar="PIXELS", parser=whole_number(), help="A multiple of 8."),
]
Scheduler = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="See kakusan schedulers.", autocompletion=complete_scheduler),
]
Fast = Annotated[
    bool, typer.Option("--fast", help="Nearly the same picture, sooner if steps allow it.")
]
Device = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="cpu, cuda, cuda:1, mps, xpu.", autocompletion=complete_device
    ),
]
RecordedDevice = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="cpu, cuda, mps, xpu; as recorded.", autocompletion=complete_device
    ),
]
Dtype = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="float32, float16 or bfloat16.", autocompletion=complete_dtype
    ),
]
Output = Annotated[
    str | None,
    typer.Option(
        "-o",
        "--output",
        metavar="WHERE",
        help="FILE.png, .jpg, .webp, or FOLDER/. A FILE that is there stays: the new one gets a "
        "number, such as FILE-2.png.",
    ),
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace a FILE that is there already.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Quiet = Annotated[
    bool, typer.Option("-q", "--quiet", help="Show no progress, and of files the paths alone.")
]
