"""`kakusan grid` and `kakusan tokens`: what settings do, and how a prompt is read."""

from typing import Annotated

import typer

from kakusan.cli.console import say, say_json, say_path
from kakusan.cli.exits import DONE
from kakusan.cli.generate import read_prompt
from kakusan.cli.place import Place
from kakusan.cli.process import hold_memory
from kakusan.vocabulary import COMMAND_LINE


def grid(
    prompt: Annotated[str, typer.Argument(metavar="PROMPT", help="What to draw.")],
    x: Annotated[str, typer.Option("--x", metavar="NAME=A,B,...", help="From left to right.")],
    y: Annotated[
        str | None, typer.Option("--y", metavar="NAME=A,B,...", help="From top to bottom.")
    ] = None,
    model: Annotated[str, typer.Option(help="builtin, a folder, or a Hub id.")] = "builtin",
    steps: Annotated[int | None, typer.Option(help="Else as many as the model likes.")] = None,
    guidance: Annotated[float | None, typer.Option(help="How strictly to follow PROMPT.")] = None,
    scheduler: Annotated[str | None, typer.Option(help="Such as euler-a, dpmpp-2m.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of every picture; else 0.")] = None,
    output: Annotated[
        str | None, typer.Option("-o", "--output", help="FILE.png, .jpg, .webp, or FOLDER/.")
    ] = None,
) -> int:
    """Draw PROMPT under several settings, labelled, as one picture: an X/Y plot.

    NAME is steps, guidance, scheduler, seed, prompt, negative_prompt or model.
    """
    place = Place.of(output)
    from kakusan.inspect import experiment
    from kakusan.inspect.grids import parse_axis

    text = read_prompt(prompt)
    across, down = parse_axis(x, "--x"), None if y is None else parse_axis(y, "--y")
    given = {"model": model, "steps": steps, "guidance": guidance, "scheduler": scheduler}
    varied = {*across, *(down or ())}
    fixed = {name: value for name, value in given.items() if value is not None}
    if model == "builtin" and "model" in varied:
        del fixed["model"]
    hold_memory()
    with COMMAND_LINE.spoken():
        found = experiment(text, x=across, y=down, seed=seed, **fixed)
    if place.stem is None:
        say_path(place.save_as(found.picture(), found.record, "kakusan-grid"))
    else:
        say_path(place.save(found.picture(), found.record))
    return DONE


def tokens(
    prompt: Annotated[str, typer.Argument(metavar="PROMPT", help="What to read.")],
    model: Annotated[str, typer.Option(help="builtin, a folder, or a Hub id.")] = "builtin",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> int:
    """Show how a model's tokenizer reads PROMPT: tokens, ids, what is cut off or not understood."""
    from kakusan.inspect.prompt import read_prompt as read
    from kakusan.text import CLIPTokenizer

    tokenizer = CLIPTokenizer.from_pretrained(model, subfolder="tokenizer")
    reading = read(tokenizer, read_prompt(prompt))
    if as_json:
        pieces = {
            name: [{"id": token.id, "text": token.text} for token in some]
            for name, some in (("used", reading.used), ("cut", reading.cut))
        }
        unread = reading.understanding.to_record()
        say_json({"prompt": reading.prompt, "room": reading.room, **pieces, **unread})
    else:
        say(str(reading))
    return DONE
