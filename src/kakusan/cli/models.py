"""`kakusan models`: what is in the cache, and what goes in and out of it."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kakusan.cli import options
from kakusan.cli.console import remark, say, say_json, say_saved
from kakusan.cli.convert import convert
from kakusan.cli.exits import DONE
from kakusan.cli.live import Live, live, span
from kakusan.cli.usage import Command, Group
from kakusan.errors import InputError

if TYPE_CHECKING:
    from kakusan.checkpoints.facts import Facts, Weights
    from kakusan.checkpoints.inventory import AvailableModel

WIDTH = 80
SIZE = 8  # characters of a size

app = typer.Typer(
    help="List, fetch, show, convert and remove models.", cls=Group, rich_markup_mode=None
)

app.command(cls=Command)(convert)

Name = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="builtin, a folder, a single file, or a Hub id.",
        autocompletion=options.complete_model,
    ),
]
CachedId = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="A Hub id, OWNER/NAME, or OWNER/NAME/FILE.",
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
def list_models(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FOLDER", help="Folders to look into for models besides."),
    ] = None,
    as_json: options.AsJson = False,
) -> int:
    """List the models that are here.

    These are the built-in one, those in the Hub's cache, and those below each FOLDER.
    """
    from kakusan.checkpoints.inventory import available_models, models_in

    below = [model for folder in folders or () for model in models_in(folder)]
    models = [*available_models(), *below]
    if as_json:
        say_json([{**model.to_json(), **_told(model.facts())} for model in models])
        return DONE
    rows = [_row(model) for model in models]
    widths = [max((len(row[column]) for row in rows), default=0) for column in (1, 2)]
    others = sum(widths) + SIZE + 3 * len("  ")
    room = min(max((len(row[0]) for row in rows), default=0), WIDTH - others)
    for name, family, precision, size in rows:
        facts = f"{family:{widths[0]}}  {precision:{widths[1]}}  {size:>{SIZE}}"
        if len(name) > room:
            say(name)
            name = ""
        say(f"{name:{room}}  {facts}")
    return DONE


def _row(model: "AvailableModel") -> tuple[str, str, str, str]:
    facts = model.facts()
    family, precision = ("?", "?") if facts is None else (facts.family, facts.precision)
    if facts is not None and family and {*facts.classes, *facts.weights} == {"unet"}:
        family = f"{family} UNet"
    return model.name, family or "?", precision or "?", readable_size(model.size)


def _told(facts: "Facts | None") -> dict[str, object]:
    if facts is None:
        return {"family": None, "precision": None}
    return {"family": facts.family, "precision": facts.precision}


@app.command(cls=Command)
def pull(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A Hub id, OWNER/NAME, or its address.")
    ],
    file: Annotated[
        str | None,
        typer.Argument(metavar="FILE", help="One file of it, such as a whole model in one."),
    ] = None,
    revision: Annotated[
        str | None, typer.Option(metavar="NAME", help="A branch, tag or commit.")
    ] = None,
    variant: Annotated[
        str | None, typer.Option(metavar="NAME", help="Weights such as fp16.")
    ] = None,
    quiet: options.Quiet = False,
) -> int:
    """Fetch MODEL, or a FILE of it, from the Hugging Face Hub.

    It prints where that is then. What was broken off goes on where it was, and large files are
    checked by their SHA-256.
    """
    began = time.monotonic()
    with live(quiet) as line:
        line.leave(f"looking for {model}")
        from kakusan.checkpoints.address import hub_address
        from kakusan.checkpoints.cached import pull, pull_file

        name, in_address, at = hub_address(model)
        if None not in (file, in_address):
            raise InputError("the address names a file already; leave FILE out")
        wanted, at = file or in_address, revision or at
        tell = Fetching(line, wanted or name)
        if wanted is None:
            found = pull(name, revision=at, variant=variant, tell=tell if line.on else None)
            path, size = found.folder, found.size
        else:
            if variant is not None:
                raise InputError("--variant is of models of several files; leave it out, or FILE")
            path = pull_file(name, wanted, revision=at, tell=tell if line.on else None)
            size = path.stat().st_size
        facts = f"{readable_size(size)}, {span(time.monotonic() - began)}"
        say_saved(path, facts, quiet)
    return DONE


class Fetching:
    """Tells how far a download has come: bytes, and how many a second."""

    def __init__(self, line: Live, name: str) -> None:
        self._line, self._name = line, name
        self._began: float | None = None
        self._had = 0

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if self._began is None:
            self._began, self._had = now, done
        words = f"{self._name}  {readable_size(done)} of {readable_size(total)}"
        if now - self._began >= 1:
            rate = (done - self._had) / (now - self._began)
            words += f", {readable_size(int(rate))}/s"
        self._line.step(done / max(1, total), words)


@app.command(cls=Command)
def show(model: Name, as_json: options.AsJson = False) -> int:
    """Show what MODEL is.

    Family, precision, what it predicts, its licence, its parts; of a single file also the hash by
    which AUTOMATIC1111's web UI calls it. It fetches nothing and reads no weights but for the hash.
    """
    from kakusan.checkpoints.facts import hashes_of
    from kakusan.checkpoints.inventory import card_of, find_model

    with live(quiet=False) as line:
        found = find_model(model)
        facts, card = found.told(), card_of(found)
        is_file = found.path.is_file()
        hashes: dict[str, str] = {}
        if is_file:
            hashes = hashes_of(found.path, lambda done: line.step(done, f"hashing {model}"))
            if "vectors" in facts.said:  # AUTOMATIC1111's web UI has more digits of an embedding's
                hashes = {"hash": hashes["sha256"][:12], "sha256": hashes["sha256"]}
    told: dict[str, object] = {
        **found.to_json(),
        **({"file": str(found.path)} if is_file else {}),
        "card": None if card is None else str(card),
        "family": facts.family,
        "precision": facts.precision,
        "prediction": facts.prediction,
        **facts.said,
        **hashes,
        **({"missing": list(facts.missing)} if facts.missing else {}),
    }
    weights = {part: vars(each) for part, each in facts.weights.items()}
    if as_json:
        say_json({**told, "parts": dict(facts.classes), "weights": weights})
        return DONE
    for name, value in told.items():
        if name == "bytes":
            say(f"size: {readable_size(found.size)}")
        elif value is not None:
            say(f"{name}: {', '.join(value) if isinstance(value, list) else value}")
    for part in dict.fromkeys((*facts.classes, *facts.weights)):
        kind = [facts.classes[part]] if part in facts.classes else []
        say(f"{part}: {', '.join([*kind, *_of_weights(facts.weights.get(part))])}")
    return DONE


def _of_weights(weights: "Weights | None") -> list[str]:
    if weights is None:
        return []
    millions = f"{weights.parameters / 1e6:,.1f} M parameters"
    return [millions, weights.precision, readable_size(weights.bytes)]


@app.command(cls=Command)
def rm(
    model: CachedId,
    yes: Annotated[bool, typer.Option("-y", "--yes", help="Do not ask.")] = False,
) -> int:
    """Remove MODEL, or a file of it, from the cache."""
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
