"""Options of `batch`: how rows are worked through, and those whose meaning is another for rows."""

import re
from typing import Annotated

import typer

from kakusan.batch.shard import Shard
from kakusan.cli import prompt_options
from kakusan.cli.options import whole_number
from kakusan.errors import RequestError, shown

PANEL = "How rows are worked through"

Tables = Annotated[
    list[str],
    typer.Argument(
        metavar="TABLE", help='A .csv, .tsv, .jsonl or .parquet file; "-" reads JSONL from stdin.'
    ),
]
Output = Annotated[
    str | None,
    typer.Option("-o", "--output", metavar="FOLDER", help="A new one, or the URL of one."),
]
Layout = Annotated[
    str,
    typer.Option(
        "--format",
        metavar="KIND",
        help="folder (PNG files and metadata.jsonl), webdataset (tar files), or parquet.",
        rich_help_panel=PANEL,
    ),
]
ShardSize = Annotated[
    int,
    typer.Option(
        metavar="N",
        parser=whole_number(1, 100_000),
        help="Pictures in each tar or Parquet file.",
        rich_help_panel=PANEL,
    ),
]
Strict = Annotated[
    bool,
    typer.Option("--strict", help="Refuse columns that mean nothing here.", rich_help_panel=PANEL),
]
ShardOption = Annotated[
    str | None,
    typer.Option(
        "--shard",
        metavar="I/N",
        help="Only part I of N, from 0; `batch merge` puts them together.",
        rich_help_panel=PANEL,
    ),
]
RunSeed = Annotated[
    int,
    typer.Option(
        metavar="N",
        parser=whole_number(0),
        help="Of which, and its key, the seed of a row is made that has none.",
        rich_help_panel=PANEL,
    ),
]
Window = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        parser=whole_number(1, 1_000_000),
        help="Rows looked at together; else 256, and 4096 for other machines.",
        rich_help_panel=PANEL,
    ),
]
Together = Annotated[
    int,
    typer.Option(
        metavar="N",
        parser=whole_number(1, 256),
        help="Pictures drawn at a time; above 1 each may differ by a rounding.",
        rich_help_panel=PANEL,
    ),
]
EngineName = Annotated[
    str | None,
    typer.Option(
        "--engine",
        metavar="NAME",
        help="What draws: local (this machine), workers (those of --database), or ray.",
        rich_help_panel=PANEL,
    ),
]
Database = Annotated[
    str | None,
    typer.Option(
        "--database",
        metavar="URL",
        help="Such as postgresql://user@host/name, from which `kakusan worker` takes rows.",
        rich_help_panel=PANEL,
    ),
]
RayAddress = Annotated[
    str | None,
    typer.Option(
        "--ray-address",
        metavar="HOST:PORT",
        help="Of a Ray cluster, or auto; else what RAY_ADDRESS says, or one that is begun here.",
        rich_help_panel=PANEL,
    ),
]
Actors = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        parser=whole_number(1, 100_000),
        help="That draw on the Ray cluster; else one for each GPU, or for each machine.",
        rich_help_panel=PANEL,
    ),
]
ActorCpus = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        parser=whole_number(1, 100_000),
        help="Processors of each actor; else they are divided evenly.",
        rich_help_panel=PANEL,
    ),
]
Seed = Annotated[
    int | None,
    typer.Option(metavar="N", parser=whole_number(), help="One for all rows; else see --run-seed."),
]
Count = Annotated[
    int | None, typer.Option(metavar="N", parser=whole_number(), help="Pictures of each row.")
]
Syntax = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Whose grammar prompts have: webui (AUTOMATIC1111's), comfy or compel; else none.",
        autocompletion=prompt_options.complete_syntax,
        rich_help_panel=prompt_options.PANEL,
    ),
]


def read_shard(text: str | None) -> Shard:
    """The part of a table that was typed, or all of it.

    Raises:
        RequestError: It has another form.
    """
    if text is None:
        return Shard()
    match = re.fullmatch(r"(\d{1,7})/(\d{1,7})", text.strip())
    if match is None or not int(match[1]) < int(match[2]):
        raise RequestError(f"--shard must be I/N with I from 0 to N-1, not {shown(text)}")
    return Shard(int(match[1]), int(match[2]))
