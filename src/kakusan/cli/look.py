"""`kakusan grid`: what settings do."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from kakusan.cli import lora_options, options, prompt_options
from kakusan.cli.generate import read_prompt, warn_of_no_words
from kakusan.cli.live import live
from kakusan.cli.place import Place
from kakusan.cli.process import prepare
from kakusan.cli.saver import Saver, run_and_report
from kakusan.prompts import differs, has_choices
from kakusan.quality import FAST
from kakusan.samplers import meaning_of
from kakusan.vocabulary import COMMAND_LINE, SHORT, Vocabulary

Axis = Mapping[str, list[Any]]


def grid(
    prompt: Annotated[
        str,
        typer.Argument(metavar="PROMPT", help='What to draw, in quotes; "-" reads it from stdin.'),
    ],
    x: Annotated[str, typer.Option("--x", metavar="NAME=A,B,...", help="From left to right.")],
    y: Annotated[
        str | None, typer.Option("--y", metavar="NAME=A,B,...", help="From top to bottom.")
    ] = None,
    negative: options.Negative = "",
    model: options.Model = "builtin",
    revision: options.Revision = None,
    variant: options.Variant = None,
    unet: options.Unet = None,
    vae: options.Vae = None,
    prediction: options.Prediction = None,
    steps: options.Steps = None,
    guidance: options.Guidance = None,
    seed: Annotated[
        int | None,
        typer.Option(metavar="N", parser=options.whole_number(), help="Of every picture; else 0."),
    ] = None,
    width: options.Width = None,
    height: options.Height = None,
    scheduler: options.Scheduler = None,
    syntax: prompt_options.Syntax = None,
    wildcards: prompt_options.Wildcards = None,
    lora: lora_options.Loras = None,
    lora_dir: lora_options.LoraDirs = None,
    fast: options.Fast = False,
    device: options.Device = None,
    dtype: options.Dtype = None,
    output: options.Output = None,
    overwrite: options.Overwrite = False,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> int:
    """Draw PROMPT under several settings, as one labelled picture.

    NAME is steps, guidance, scheduler, seed, prompt, negative_prompt or model.
    """
    text = read_prompt(prompt)
    if scheduler is not None:
        meaning_of(scheduler)  # only to be checked, before torch is loaded
    fixed: dict[str, Any] = {
        "negative_prompt": negative or None,
        "model": None if model == "builtin" else model,
        "revision": revision,
        "variant": variant,
        "unet": unet,
        "vae": vae,
        "prediction": prediction,
        "steps": steps,
        "guidance": guidance,
        "seed": seed,
        "width": width,
        "height": height,
        "scheduler": scheduler,
        "prompt_syntax": prompt_options.recorded_syntax(syntax),
        "loras": lora_options.read_loras(lora),
        "wildcards": prompt_options.read_wildcards(
            wildcards, (syntax or prompt_options.USUAL).casefold()
        )
        or None,
        "lora_dirs": lora_options.read_dirs(lora_dir),
        "quality_budget": FAST if fast else None,
        "device": device,
        "dtype": dtype,
    }
    place = Place.of(output, overwrite=overwrite)
    with live(quiet) as line:
        saver = Saver(place, 0, line, together=True, as_json=as_json, quiet=quiet)
        return run_and_report(lambda: _draw(text, x, y, fixed, saver, syntax), saver, _words(x, y))


def _draw(
    text: str, x: str, y: str | None, fixed: Mapping[str, Any], saver: Saver, syntax: str | None
) -> None:
    prepare(saver.line, fixed["model"])
    from kakusan.inspect import experiment
    from kakusan.inspect.grids import parse_axis

    across, down = parse_axis(x, "--x"), None if y is None else parse_axis(y, "--y")
    if "prompt" not in {*across, *(down or ())}:
        warn_of_no_words(text)
    both = {**across, **(down or {})}
    prompts = [str(each) for each in both.get("prompt", [text])]
    negatives = [
        str(each) for each in both.get("negative_prompt", [fixed["negative_prompt"] or ""])
    ]
    prompt_options.tell_grammar(
        prompt_options.Asked(
            (next(filter(differs, prompts), prompts[0]),),
            (next((each for each in negatives if differs(each, split=False)), negatives[0]),),
            next(filter(has_choices, prompts), None),
            next(filter(has_choices, negatives), None),
        ),
        syntax,
    )
    saver.count = sum(map(len, across.values())) * sum(map(len, (down or {"": [0]}).values()))
    found = experiment(
        text,
        x=across,
        y=down,
        on_picture=saver,
        progress=saver.progress,
        **{name: value for name, value in fixed.items() if value is not None},
    )
    saver.save_together(found.picture(), found.record, "kakusan-grid")


def _words(x: str, y: str | None) -> Vocabulary:
    """The command's words, in which what varies is called by the axis that it was typed in."""
    words = dict(COMMAND_LINE.words)
    names = {word: name for name, word in SHORT.words.items()}
    for option, axis in (("--x", x), ("--y", y or "")):
        typed = axis.partition("=")[0].strip().replace("-", "_")
        if typed in names:
            words[names[typed]] = f"{option} {typed}"
    return Vocabulary("kakusan grid", words)
