"""`kakusan models`: what is in the cache, and what goes in and out of it."""

import sys
import time
from typing import Annotated

import typer

from kakusan.cli import options
from kakusan.cli.console import remark, say, say_json, say_saved
from kakusan.cli.convert import convert
from kakusan.cli.exits import DONE
from kakusan.cli.live import live, span
from kakusan.cli.usage import Command, Group
from kakusan.errors import InputError

app = typer.Typer(help="List, fetch, show and remove models.", cls=Group, rich_markup_mode=None)

app.command(cls=Command)(convert)

Name = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="builtin, a folder, or a Hub id.",
        autocompletion=options.complete_model,
    ),
]
HubId = Annotated[str, typer.Argument(metavar="MODEL", help="A Hub id: OWNER/NAME.")]
CachedId = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="A Hub id: OWNER/NAME.",
        autocompletion=options.complete_cached,
    ),
]


def readable_size(size: int) -> str:
    """Bytes as people read them: "2.1 GB"."""
    value = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


@app.callback(invoke_without_command=True)
def _root(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        say(context.get_help())


@app.command("list", cls=Command)
def list_models(as_json: options.AsJson = False) -> int:
    """List the built-in model and those in the Hub's cache."""
    from kakusan.cli.inventory import available_models

    models = available_models()
    if as_json:
        say_json([model.to_json() for model in models])
        return DONE
    width = max((len(model.name) for model in models), default=0)
    for model in models:
        say(f"{model.name:{width}}  {readable_size(model.size):>9}  {model.folder}")
    return DONE


@app.command(cls=Command)
def pull(
    model: HubId,
    revision: Annotated[
        str | None, typer.Option(metavar="NAME", help="A branch, tag or commit.")
    ] = None,
    variant: Annotated[
        str | None, typer.Option(metavar="NAME", help="Weights such as fp16.")
    ] = None,
    quiet: options.Quiet = False,
) -> int:
    """Fetch MODEL from the Hugging Face Hub and print where it is."""
    began = time.monotonic()
    with live(quiet) as line:
        line.leave(f"looking for {model}")
        from kakusan.checkpoints.cached import pull

        found = pull(model, revision=revision, variant=variant)
        facts = f"{readable_size(found.size)}, {span(time.monotonic() - began)}"
        say_saved(found.folder, facts, quiet)
    return DONE


@app.command(cls=Command)
def show(model: Name, as_json: options.AsJson = False) -> int:
    """Show where MODEL is, its size and its parts; fetches nothing."""
    from kakusan.cli.inventory import describe_model

    facts = describe_model(model)
    if as_json:
        say_json(facts)
        return DONE
    for name, value in facts.items():
        if isinstance(value, dict):
            for part, kind in value.items():  # pyright: ignore[reportUnknownVariableType]
                say(f"{part}: {kind}")
        elif name == "bytes" and isinstance(value, int):
            say(f"size: {readable_size(value)}")
        elif value is not None:
            say(f"{name}: {value}")
    return DONE


@app.command(cls=Command)
def rm(
    model: CachedId,
    yes: Annotated[bool, typer.Option("-y", "--yes", help="Do not ask.")] = False,
) -> int:
    """Remove all of MODEL from the cache."""
    from kakusan.checkpoints.cached import remove_cached_model
    from kakusan.checkpoints.source import BUILTIN

    if model == BUILTIN:
        raise InputError(f"{BUILTIN} is part of kakusan and stays; the rest is in `models list`")

    if not yes:
        question = f"remove {model} from the cache?"
        if not sys.stdin.isatty():
            raise InputError(f"{question} Add --yes to do so without being asked")
        if not typer.confirm(question, err=True):
            remark("nothing was removed")
            return DONE
    freed = remove_cached_model(model)
    say(f"removed {model}, {readable_size(freed)}")
    return DONE
