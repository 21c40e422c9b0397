"""`kakusan models convert`: a folder to a single file, and a single file to a folder."""

import time
from pathlib import Path
from typing import Annotated

import typer

from kakusan.cli import options
from kakusan.cli.console import remark, say_saved
from kakusan.cli.exits import DONE
from kakusan.cli.live import live, span


def convert(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="A folder, a Hub id, or a single file.",
            autocompletion=options.complete_model,
        ),
    ],
    target: Annotated[
        Path,
        typer.Argument(
            metavar="TARGET",
            help="FILE.safetensors for a folder, FOLDER for a file, FILE.gguf for either.",
        ),
    ],
    dtype: options.Dtype = None,
    variant: options.Variant = None,
    prediction: options.Prediction = None,
    quantize: Annotated[
        str | None,
        typer.Option(
            metavar="FORMAT",
            help="q8_0, q5_1, q5_0, q4_1 or q4_0: what matrices become in FILE.gguf.",
        ),
    ] = None,
    convolutions: Annotated[
        bool,
        typer.Option(
            "--convolutions/--no-convolutions",
            help="Quantise 3x3 convolutions too; stable-diffusion.cpp reads files without.",
        ),
    ] = True,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> int:
    """Write a folder as a single file, or a file as a folder.

    Nothing is lost: what a folder has no place for is kept beside its index for the way back, and
    what a file has no place for in its metadata. What is left out all the same is said.
    """
    began = time.monotonic()
    with live(quiet) as line:
        line.wait("loading torch")
        from kakusan.pipeline.convert import convert
        from kakusan.runtime.precision import parse_dtype

        def tell(done: int, of: int) -> None:
            line.step(done / of, f"writing {target.name}")

        stored = None if dtype is None else parse_dtype(dtype)
        done = convert(
            source,
            target,
            dtype=stored,
            variant=variant,
            prediction_type=prediction,
            quantize=quantize,
            convolutions=convolutions,
            overwrite=overwrite,
            progress=tell,
        )
        say_saved(done.path, span(time.monotonic() - began), quiet)
    for each in done.dropped:
        remark(f"left out {each}")
    for each in done.changed:
        remark(each)
    if done.alone is not None:
        taken = f": --{done.alone} takes it" if done.alone in ("unet", "vae") else ""
        remark(f"the file holds a {done.alone} alone, and so does '{done.path}'{taken}")
    elif done.absent:
        lacking = " and no ".join(done.absent)
        remark(f"the file has no {lacking}: '{done.path}' draws with one from elsewhere")
    return DONE
