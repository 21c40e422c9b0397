"""`kakusan generate`: a prompt to pictures in files."""

import re
import secrets
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kakusan.cli import (
    control_options,
    embedding_options,
    hires_options,
    image_prompt_options,
    lora_options,
    noise_options,
    options,
    prompt_options,
)
from kakusan.cli.console import remark
from kakusan.cli.like import Like, settings_like, typed_only
from kakusan.cli.live import live
from kakusan.cli.picture_options import Begun, keep
from kakusan.cli.place import Place
from kakusan.cli.process import prepare
from kakusan.cli.saver import Saver, run_and_report
from kakusan.errors import RequestError, shown, shown_path
from kakusan.quality import FAST
from kakusan.request import MAX_PICTURES, Request
from kakusan.request.kept import are_kept, kept_beside
from kakusan.request.masks import with_usual_mask
from kakusan.vocabulary import COMMAND_LINE

if TYPE_CHECKING:
    from kakusan.pipeline import Picture


def parse_grid(text: str | None, count: int | None) -> tuple[tuple[int, int] | None, int]:
    """The rows and columns of `--grid`, and how many pictures to draw.

    Raises:
        RequestError: Not RxC, or not as many pictures as `--count` says.
    """
    if text is None:
        return None, 1 if count is None else count
    match = re.fullmatch(r"\s*(\d{1,4})\s*[x×*]\s*(\d{1,4})\s*", text, re.IGNORECASE)
    rows, cols = (int(match[1]), int(match[2])) if match else (0, 0)
    if rows < 1 or cols < 1:
        raise RequestError(f"--grid must be ROWSxCOLUMNS, such as 2x3, not {shown(text)}")
    if count not in (None, rows * cols):
        raise RequestError(
            f"--grid {rows}x{cols} holds {rows * cols} pictures, but --count is {count}; "
            "leave out --count, or let them agree"
        )
    if rows * cols > MAX_PICTURES:
        raise RequestError(
            f"--grid {rows}x{cols} holds {rows * cols} pictures; the limit is {MAX_PICTURES}"
        )
    return (rows, cols), rows * cols


def read_prompt(text: str) -> str:
    """`text`, or what stands on stdin where it is "-".

    Raises:
        RequestError: What stands there is not UTF-8.
    """
    if text != "-":
        return text
    if sys.stdin is None:  # pyright: ignore[reportUnnecessaryComparison]  closed by the caller
        raise RequestError('the prompt "-" is read from stdin, but stdin is closed')
    try:
        given = sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RequestError(f"the prompt on stdin is not UTF-8 text: byte {error.start}") from None
    return given.removesuffix("\n").removesuffix("\r")


def warn_of_no_words(text: str) -> None:
    """Say that an empty prompt draws whatever the model likes; it may be meant."""
    if not text.strip():
        remark("the prompt is empty: the model draws whatever it likes")


def generate(
    context: typer.Context,
    prompt: Annotated[
        str | None,
        typer.Argument(metavar="PROMPT", help='What to draw, in quotes; "-" reads it from stdin.'),
    ],
    like: Like = None,
    negative: options.Negative = "",
    model: options.Model = "builtin",
    models_dir: noise_options.ModelsDir = None,
    revision: options.Revision = None,
    variant: options.Variant = None,
    unet: options.Unet = None,
    vae: options.Vae = None,
    prediction: options.Prediction = None,
    steps: options.Steps = None,
    guidance: options.Guidance = None,
    seed: Annotated[
        int | None,
        typer.Option(
            metavar="N", parser=options.whole_number(), help="Picture i has SEED+i; else random."
        ),
    ] = None,
    width: options.Width = None,
    height: options.Height = None,
    count: Annotated[
        int | None,
        typer.Option(metavar="N", parser=options.whole_number(), help="How many pictures."),
    ] = None,
    grid: Annotated[str | None, typer.Option(metavar="RxC", help="One file of R*C.")] = None,
    scheduler: options.Scheduler = None,
    syntax: prompt_options.Syntax = None,
    emphasis: prompt_options.Emphasis = None,
    clip_skip: prompt_options.ClipSkip = None,
    embedding: embedding_options.Embedding = None,
    embeddings_dir: embedding_options.Folder = None,
    wildcards: prompt_options.Wildcards = None,
    rng: noise_options.Rng = None,
    variation_seed: noise_options.VariationSeed = None,
    variation_strength: noise_options.VariationStrength = None,
    seed_resize: noise_options.SeedResize = None,
    ensd: noise_options.Ensd = None,
    hires: hires_options.Hires = None,
    hires_upscaler: hires_options.Upscaler = None,
    hires_steps: hires_options.Steps = None,
    hires_strength: hires_options.Strength = None,
    lora: lora_options.Loras = None,
    lora_dir: lora_options.LoraDirs = None,
    image_prompt: image_prompt_options.ImagePrompts = None,
    image_encoder: image_prompt_options.ImageEncoder = None,
    keep_inputs: image_prompt_options.KeepInputs = False,
    freeu: image_prompt_options.FreeU = None,
    control: control_options.Controls = None,
    control_mode: control_options.ControlMode = None,
    fast: options.Fast = False,
    device: options.Device = None,
    dtype: options.Dtype = None,
    output: options.Output = None,
    overwrite: options.Overwrite = False,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> int:
    """Draw pictures of PROMPT and print their paths."""
    text = None if prompt is None else read_prompt(prompt)
    begun = context.obj if isinstance(context.obj, Begun) else None
    controls = control_options.read(control, control_mode)
    keeps = keep_inputs or (begun is not None and begun.keep)
    shape, pictures = parse_grid(grid, count)
    lora_dirs = lora_options.read_dirs(lora_dir)
    prompts = image_prompt_options.read(image_prompt, image_encoder)
    if like is None and models_dir:
        raise RequestError("--models-dir is where the model of a --like PICTURE is looked for")
    if text is None and wildcards is not None:
        raise RequestError("--wildcards is where PROMPT's __name__ is looked for; give a PROMPT")
    settings: dict[str, Any] = {
        "prompt": text,
        "negative_prompt": negative,
        "model": model,
        "commit": revision,
        "variant": variant,
        "unet": unet,
        "vae": vae,
        "prediction_type": prediction,
        "seed": seed,
        "width": width,
        "height": height,
        "num_inference_steps": steps,
        "guidance_scale": guidance,
        "scheduler": scheduler,
        "prompt_syntax": syntax,
        "emphasis": emphasis,
        "clip_skip": prompt_options.layers_skipped(clip_skip),
        "embeddings": embedding_options.read(embedding, embeddings_dir),
        "rng": rng,
        "variation_seed": variation_seed,
        "variation_strength": variation_strength,
        "seed_resize": noise_options.read_size(seed_resize),
        "ensd": ensd,
        "loras": lora_options.read_loras(lora),
        **({} if begun is None else begun.settings),
        "controls": None if controls is None else controls.asked,
        "second_pass": hires_options.read(hires, hires_upscaler, hires_steps, hires_strength),
        "image_prompts": prompts.asked or None,
        "freeu": image_prompt_options.read_freeu(freeu),
        "quality_budget": FAST if fast else None,
        "device": device,
        "dtype": dtype,
    }
    with live(quiet) as line, COMMAND_LINE.spoken():
        typed = typed_only(context, settings)
        if like is not None:
            settings = settings_like(like, typed, models_dir or (), line, lora_dirs)
            if begun is not None:  # in place of the one that it was made from
                settings.pop("image", None)
                settings.pop("mask", None)
            syntax = syntax or settings.get("prompt_syntax")  # the picture's, if it says one
        if text is not None:  # that of a picture is read as it was
            settings["prompt_syntax"] = prompt_options.recorded_syntax(
                settings.get("prompt_syntax")
            )
        if begun is not None and begun.paints:
            settings = with_usual_mask(settings, () if begun.mask is None else (begun.mask,))
        settings = _seeded(settings)
        asked = None
        if text is not None:
            of_picture = like is not None and "negative_prompt" not in typed
            asked = prompt_options.chosen(settings, pictures, wildcards, whole_negative=of_picture)
            settings |= asked.settings
        each = 1 if asked is not None and asked.is_chosen else pictures
        request = Request.of(settings.pop("prompt"), num_images_per_prompt=each, **settings)
    kept = [] if like is None else kept_beside(request, like.parent)
    if like is not None and begun is None:
        _check_kept(request, like)
    given = (begun, controls, request.image, request.controls, request.image_prompts)
    if keeps and not any(given):
        raise RequestError("--keep-inputs saves pictures that were given, and there is none")
    if request.upscale is None:
        warn_of_no_words(request.prompt[0] or "")
    if asked is not None:
        prompt_options.tell_grammar(asked, syntax or emphasis)
    place = Place.of(output, overwrite=overwrite)
    with live(quiet) as line:
        saver = Saver(place, pictures, line, shape is not None, as_json, quiet)
        return run_and_report(
            lambda: _draw(
                *(request, begun, (prompts, controls), saver, shape, lora_dirs),
                kept=kept,
                keeps=keeps,
            ),
            saver,
            COMMAND_LINE,
        )


def _seeded(settings: Mapping[str, Any]) -> dict[str, Any]:
    """With a random seed where none is given."""
    found = dict(settings)
    for name, needed in (("seed", True), ("variation_seed", found.get("variation_strength"))):
        if needed and found.get(name) is None:
            found[name] = secrets.randbelow(2**32)
    return found


def _check_kept(request: Request, like: Path) -> None:
    """See that what a picture began at is kept beside it.

    Raises:
        RequestError: It is not.
    """
    if request.image is None or are_kept(request.image, like.parent):
        return
    command = "img2img" if request.mask is None else "inpaint"
    raise RequestError(
        f"{shown_path(like)} began at the picture {request.image[0].words}, which is not kept "
        f"beside it; give it, as in `kakusan {command} PICTURE --like {like}`"
    )


def _draw(
    request: Request,
    begun: Begun | None,
    steering: tuple[image_prompt_options.Prompts, control_options.ReadControls | None],
    saver: Saver,
    shape: tuple[int, int] | None,
    lora_dirs: list[str] | None,
    *,
    kept: Sequence[Path],
    keeps: bool,
) -> None:
    prepare(saver.line, request.model)
    from kakusan.images import grid_record, image_grid
    from kakusan.inputs import Inputs
    from kakusan.pipeline import draw

    prompts, controls = steering
    inputs = replace(Inputs() if begun is None else begun.inputs(), seen=prompts.seen())
    if controls is not None:
        inputs = controls.handed_in(inputs)
    if kept:
        from kakusan.pipeline.kept import with_kept

        inputs = with_kept(request, inputs, kept)

    def take(picture: "Picture") -> None:
        if shape is not None and not saver.held:
            _check_grid_fits(saver.place, picture, *shape)
        saver(picture)

    drawn = draw(request, inputs, on_picture=take, progress=saver.progress, lora_dirs=lora_dirs)
    if keeps:
        keep(inputs, saver.place.folder)
        control_options.keep(inputs, drawn[0].record, saver.place.folder)
    if shape is not None:
        image = image_grid([each.image for each in saver.held], *shape)
        saver.save_together(image, grid_record([each.record for each in saver.held], *shape))


def _check_grid_fits(place: Place, first: "Picture", rows: int, cols: int) -> None:
    """Say now, not after the last picture, that the format cannot hold the grid."""
    from kakusan.images import check_fits

    width, height = first.image.size
    name = Path(f"{place.stem or 'grid'}{place.suffix}")
    check_fits(place.folder / name, width * cols, height * rows)
