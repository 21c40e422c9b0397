"""`kakusan train`: the built-in model from nothing, or a checkpoint on a folder of pictures."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kakusan.cli.console import remark, say
from kakusan.cli.exits import DONE
from kakusan.cli.live import Live, live
from kakusan.cli.options import Model, any_number, whole_number
from kakusan.cli.place import check_free, check_writable
from kakusan.cli.process import say_loading
from kakusan.cli.usage import Command, Group
from kakusan.errors import InputError
from kakusan.request import SEEDS

if TYPE_CHECKING:
    from kakusan.pipeline import StableDiffusionPipeline
    from kakusan.training.folder import PictureFolder
    from kakusan.training.pace import StageSettings

app = typer.Typer(
    help="Train the built-in model, or fine-tune a checkpoint.", cls=Group, rich_markup_mode=None
)

Pictures = Annotated[
    Path,
    typer.Argument(
        metavar="PICTURES",
        help="A folder: a .txt beside each picture, or a metadata.jsonl for all.",
    ),
]
Run = Annotated[
    Path,
    typer.Option(metavar="FOLDER", help="Checkpoints and sample grids; a stopped run goes on."),
]
Steps = Annotated[int, typer.Option(metavar="N", parser=whole_number(1), help="Steps in all.")]
Batch = Annotated[
    int, typer.Option(metavar="N", parser=whole_number(1), help="Pictures of a step.")
]
Rate = Annotated[
    float, typer.Option("--lr", metavar="X", parser=any_number(0.0), help="The learning rate.")
]
Size = Annotated[
    int | None,
    typer.Option(
        metavar="PIXELS", parser=whole_number(8), help="Of a side; the model's own if not given."
    ),
]
Seed = Annotated[
    int,
    typer.Option(
        metavar="N",
        parser=whole_number(0, SEEDS - 1),
        help="Decides everything that is drawn at random.",
    ),
]
Every = Annotated[
    int, typer.Option(metavar="N", parser=whole_number(1), help="Steps between checkpoints.")
]
Strict = Annotated[bool, typer.Option("--strict", help="A broken file is an error, not skipped.")]
NoFlip = Annotated[bool, typer.Option("--no-flip", help="Never mirror a picture.")]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace what is at --output already.")
]
Folder = Annotated[
    Path, typer.Option("-o", "--output", metavar="FOLDER", help="The folder to write.")
]
Taught = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER", help="What `train builtin` wrote; the built-in model if not given."
    ),
]


@app.callback(invoke_without_command=True)
def _root(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        say(context.get_help())


@app.command(cls=Command)
def builtin(
    run: Run = Path("runs/builtin"),
    output: Folder = Path("runs/builtin/model"),
    overwrite: Overwrite = False,
    vae: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Begin with its autoencoder, not with nothing."),
    ] = None,
    start: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Go on teaching this model, and more words."),
    ] = None,
    words: Annotated[
        bool,
        typer.Option("--words", help="Teach --start's text encoder and attention alone."),
    ] = False,
    full: Annotated[bool, typer.Option("--full", help="Every object; meant for a GPU.")] = False,
    minutes: Annotated[
        float | None,
        typer.Option(
            metavar="N", parser=any_number(0.0), help="End after so long, not after steps."
        ),
    ] = None,
    compiled: Annotated[
        bool, typer.Option("--compile", help="Compile the U-Net first: faster on a GPU.")
    ] = False,
    written: Annotated[
        bool, typer.Option("--export", help="Write what --run has learnt so far; train no more.")
    ] = False,
) -> int:
    """Train the built-in model from nothing.

    It needs the Noto Color Emoji font.
    """
    if vae is not None and start is not None:
        raise InputError("--start has an autoencoder already; leave --vae out")
    if written and (vae is not None or minutes is not None or compiled or words):
        raise InputError(
            "--export trains no more; leave --vae, --words, --minutes and --compile out"
        )
    if words and start is None:
        raise InputError("--words teaches a model that is there; name it with --start")
    if words and compiled:
        raise InputError("--compile is for the whole U-Net; leave it out with --words")
    check_free(output, overwrite)
    check_writable(output)
    with live(quiet=False) as line:
        _prepare_process(line)
        from kakusan.builtin.recipe.build import build
        from kakusan.builtin.recipe.export import export
        from kakusan.builtin.recipe.recipe import FULL, Recipe

    recipe = replace(FULL if full else Recipe(), compiled=compiled)
    if written:
        export(recipe, run, output, start=start)
    else:
        with _going_on_later(run):
            build(recipe, run, output, vae=vae, start=start, words=words, minutes=minutes)
    say(str(output))
    return DONE


@app.command(cls=Command)
def control(
    run: Run = Path("runs/control"),
    output: Folder = Path("runs/control/controlnet"),
    overwrite: Overwrite = False,
    model: Taught = None,
    start: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Go on teaching this ControlNet instead."),
    ] = None,
) -> int:
    """Teach the built-in model a ControlNet that follows edges.

    It needs the Noto Color Emoji font.
    """
    check_free(output, overwrite)
    check_writable(output)
    with live(quiet=False) as line:
        _prepare_process(line)
        from kakusan.builtin.recipe.control import ControlRecipe, build_control
        from kakusan.checkpoints.source import BUILTIN, locate

    with _going_on_later(run):
        taught = locate(model or BUILTIN).folder
        build_control(ControlRecipe(), taught, run, output, start=start)
    say(str(output))
    return DONE


@app.command("image-prompt", cls=Command)
def image_prompt(
    run: Run = Path("runs/image-prompt"),
    output: Folder = Path("runs/image-prompt/ip-adapter"),
    overwrite: Overwrite = False,
    model: Taught = None,
) -> int:
    """Teach the built-in model an IP-Adapter.

    It draws like the picture that it is shown. It needs the Noto Color Emoji font.
    """
    check_free(output, overwrite)
    check_writable(output)
    with live(quiet=False) as line:
        _prepare_process(line)
        from kakusan.builtin.recipe.image_prompt import ImagePromptRecipe, build_image_prompt
        from kakusan.checkpoints.source import BUILTIN, locate

    with _going_on_later(run):
        build_image_prompt(ImagePromptRecipe(), locate(model or BUILTIN).folder, run, output)
    say(str(output))
    return DONE


@app.command(cls=Command)
def lora(
    pictures: Pictures,
    output: Annotated[
        Path,
        typer.Option("-o", "--output", metavar="FILE", help="The file to write, a .safetensors."),
    ],
    overwrite: Overwrite = False,
    model: Model = "builtin",
    rank: Annotated[
        int, typer.Option(metavar="N", parser=whole_number(1), help="Rank of the adapters.")
    ] = 8,
    run: Run = Path("runs/lora"),
    steps: Steps = 500,
    batch: Batch = 4,
    rate: Rate = 1e-3,
    size: Size = None,
    seed: Seed = 0,
    save_every: Every = 100,
    strict: Strict = False,
    no_flip: NoFlip = False,
) -> int:
    """Teach a model a folder of pictures: one small LoRA file.

    Other tools load it too.
    """
    if output.suffix != ".safetensors":
        raise InputError(f"{output} should end in .safetensors, which is what is written")
    check_free(output, overwrite)
    check_writable(output.parent, output.name)
    with live(quiet=False) as line:
        _prepare_process(line)
        from kakusan.training.finetune import fine_tune_lora

        pipe, folder = _loaded(model, pictures, size, line, strict=strict, flip=not no_flip)
    settings = _settings(steps, batch, rate, save_every, weight_decay=0.0)
    with _going_on_later(run):
        fine_tune_lora(pipe, folder, settings, rank=rank, seed=seed, run=run, output=output)
    say(str(output))
    return DONE


@app.command(cls=Command)
def unet(
    pictures: Pictures,
    output: Folder,
    overwrite: Overwrite = False,
    model: Model = "builtin",
    run: Run = Path("runs/unet"),
    steps: Steps = 500,
    batch: Batch = 4,
    rate: Rate = 1e-5,
    size: Size = None,
    seed: Seed = 0,
    save_every: Every = 100,
    strict: Strict = False,
    no_flip: NoFlip = False,
) -> int:
    """Teach a model's whole UNet a folder of pictures."""
    check_free(output, overwrite)
    check_writable(output)
    with live(quiet=False) as line:
        _prepare_process(line)
        from kakusan.training.finetune import fine_tune_unet

        pipe, folder = _loaded(model, pictures, size, line, strict=strict, flip=not no_flip)
    settings = _settings(steps, batch, rate, save_every, weight_decay=0.01)
    with _going_on_later(run):
        fine_tune_unet(pipe, folder, settings, seed=seed, run=run, output=output)
    say(str(output))
    return DONE


@contextmanager
def _going_on_later(run: Path) -> Generator[None]:
    """Say how an interrupted run goes on, on a line of its own."""
    from kakusan.training.progress import clear_line

    try:
        yield
    except BaseException as error:
        clear_line()
        if isinstance(error, KeyboardInterrupt) and any(run.glob("*.safetensors")):
            remark(f"the same command goes on from the last checkpoint, which is in '{run}'")
        raise


def _prepare_process(line: Live) -> None:
    """Do what the library leaves to whoever owns the process, before networks are loaded."""
    line.wait("loading torch")
    import torch

    from kakusan.runtime.arena import hold
    from kakusan.training.processes import join

    hold()  # training frees and takes the same memory in each step
    torch.backends.cudnn.benchmark = True  # and its convolutions have the same shapes
    join()


def _settings(
    steps: int, batch: int, rate: float, save_every: int, *, weight_decay: float
) -> "StageSettings":
    from kakusan.training.pace import StageSettings

    return StageSettings(
        steps=steps,
        batch_size=batch,
        learning_rate=rate,
        warmup_steps=min(20, steps),
        ema_decay=0.99,
        weight_decay=weight_decay,
        save_every=save_every,
        sample_every=save_every,
    )


def _loaded(
    model: str, pictures: Path, size: int | None, line: Live, *, strict: bool, flip: bool
) -> "tuple[StableDiffusionPipeline, PictureFolder]":
    """The checkpoint in float32, and the pictures in its size; the pictures are looked at first."""
    from kakusan.pipeline import StableDiffusionPipeline
    from kakusan.runtime.device import best_device
    from kakusan.training.folder import PictureFolder

    # before a checkpoint is fetched, whose own size is not known yet
    line.wait(f"looking at {pictures}")
    folder = PictureFolder(pictures, size or 1, strict=strict, flip=flip)
    say_loading(line, model)
    pipe = StableDiffusionPipeline.from_pretrained(model).to(best_device())
    pipe.set_progress_bar_config(disable=True)
    factor = pipe.vae.scale_factor
    folder.pixels = size or min(pipe.unet.config.latent_size) * factor
    if folder.pixels % factor:
        raise InputError(f"--size {folder.pixels} should be a multiple of {factor}")
    return pipe, folder
