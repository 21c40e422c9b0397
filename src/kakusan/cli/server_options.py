"""Options that `serve` and `mcp` share, and what they need to be installed."""

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from kakusan.cli import options
from kakusan.errors import InputError, shown

# What the extra `server` brings
SERVER = ("fastapi", "uvicorn", "sqlalchemy", "multipart", "prometheus_client")

# What a queue that several machines share needs, without a server
QUEUE = ("sqlalchemy", "psycopg")
DATABASE = "KAKUSAN_DATABASE"  # the variable that may hold the address, with its password

DataFolder = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="Where jobs and pictures are kept; else your own."),
]
Models = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help="builtin, a folder, a file, or a Hub id; may be given again.",
        autocompletion=options.complete_model,
    ),
]


def places(name: str, what: str) -> Any:
    """An option for files and folders of what requests may name."""
    return typer.Option(
        name,
        metavar="PATH",
        help=f"{what}; may be given again.",
        rich_help_panel="What requests may name",
    )


LogFormat = Annotated[str, typer.Option(metavar="KIND", help="text, or json for programs.")]
_FORMATS = ("text", "json")
LoraDirs = Annotated[list[Path] | None, places("--lora-dir", "LoRAs")]
Embeddings = Annotated[list[Path] | None, places("--embeddings", "Learnt words")]
ControlModels = Annotated[
    list[Path] | None, places("--control-model", "ControlNets and T2I-Adapters")
]
Vaes = Annotated[list[Path] | None, places("--vae", "VAEs")]
IPAdapters = Annotated[list[Path] | None, places("--ip-adapter", "IP-Adapters")]


def limit(metavar: str, parser: Any, text: str) -> Any:
    """An option that bounds what the server does."""
    return typer.Option(metavar=metavar, parser=parser, help=text, rich_help_panel="Limits")


def check_log_format(name: str) -> None:
    """Raise `InputError` for a form that no log has."""
    if name not in _FORMATS:
        raise InputError(f"--log-format must be text or json, not {shown(name)}")


def checked_queue(url: str | None) -> str:
    """The address of a database that several machines share.

    Raises:
        InputError: There is none, or it is a file.
    """
    if url is None:
        raise InputError(
            f"name the queue's database, as in --database postgresql://user@host/name or in "
            f"{DATABASE}"
        )
    if url.partition(":")[0].partition("+")[0] not in ("postgresql", "postgres"):
        raise InputError(
            "--database must be postgresql://user@host/name here, since other machines use it, too"
        )
    return url


def check_installed(command: str, needed: Sequence[str], extras: str) -> None:
    """Raise `InputError` where a command lacks a package, which says the extras that bring it."""
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(
            f"`kakusan {command}` needs {missing[0]}, which is not installed: "
            f'pip install "kakusan[{extras}]"'
        )
