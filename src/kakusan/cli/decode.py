"""`kakusan decode`: finished latents, which could not be decoded then, to pictures in files."""

from pathlib import Path
from typing import Annotated

import typer

from kakusan.cli import options
from kakusan.cli.live import live
from kakusan.cli.place import Place
from kakusan.cli.process import prepare
from kakusan.cli.recorded import WORDS, check_trusted
from kakusan.cli.saver import Saver, run_and_report
from kakusan.errors import InputError, shown_path
from kakusan.vocabulary import Vocabulary


def decode(
    latents: Annotated[
        Path,
        typer.Argument(metavar="LATENTS", help="A .safetensors file that kakusan wrote."),
    ],
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Whose VAE decodes them; as recorded.",
            autocompletion=options.complete_model,
        ),
    ] = None,
    vae: options.Vae = None,
    device: options.RecordedDevice = None,
    yes: Annotated[
        bool, typer.Option("-y", "--yes", help="Use the model that LATENTS names, whatever it is.")
    ] = False,
    output: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--output",
            metavar="WHERE",
            help="FILE or FOLDER/; else beside LATENTS. A FILE that is there stays: the new one "
            "gets a number.",
        ),
    ] = None,
    overwrite: options.Overwrite = False,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> int:
    """Make the pictures of LATENTS that could not be decoded.

    They are those that `generate` would have made. Of the models that a record may name, only the
    built-in one and those in the Hub's cache are used unasked; say with --model where another one
    is.
    """
    words = Vocabulary("kakusan decode", WORDS)
    place = Place.of(output, folder=latents.parent, overwrite=overwrite)
    if place.stem is None:
        place.stem = latents.stem
    with live(quiet) as line:
        line.wait("loading torch")
        from kakusan.images.metadata import FORMATS
        from kakusan.pipeline import decode, load_latents

        with words.spoken():
            if latents.suffix.casefold() in FORMATS and latents.is_file():
                raise InputError(
                    f"{shown_path(latents)} is a picture, and latents are decoded, from a file in "
                    ".safetensors that kakusan wrote; `kakusan info` tells how a picture was made"
                )
            undecoded = load_latents(latents)
            # a VAE may do without the model, which it is asked for where it does not
            given = ["unet", *(["model"] if model is not None or vae is not None else [])]
            given += [] if vae is None else ["vae"]
            asked = check_trusted(undecoded.records, latents, yes=yes, given=given)
            trusted = asked or model is not None
        saver = Saver(place, len(undecoded.records), line, as_json=as_json, quiet=quiet)

        def draw() -> None:
            name = undecoded.records[0].get("model") if model is None else model
            prepare(line, name if isinstance(name, str) else None)
            line.wait("decoding")
            decode(
                undecoded,
                model=model,
                vae=vae,
                trust_model=trusted,
                device=device,
                on_picture=saver,
            )

        return run_and_report(draw, saver, words)
