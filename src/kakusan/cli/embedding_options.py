"""Options that name files of learnt words (textual inversion)."""

from collections.abc import Sequence
from typing import Annotated

import typer

from kakusan.cli.folders import read_folders

PANEL = "Learnt words"

Embedding = Annotated[
    list[str] | None,
    typer.Option(
        "--embedding",
        metavar="FILE",
        help="A textual inversion that PROMPT names: a file or a Hub id; again for more.",
        rich_help_panel=PANEL,
    ),
]
Folder = Annotated[
    list[str] | None,
    typer.Option(
        "--embeddings-dir",
        metavar="FOLDER",
        help="Where those are looked for that PROMPT names; again for more.",
        rich_help_panel=PANEL,
    ),
]


def read(files: Sequence[str] | None, folders: Sequence[str] | None) -> list[str] | None:
    """What both options name; files come last, and so are what counts of two of one name.

    Raises:
        RequestError: A folder is none.
    """
    return [*read_folders("--embeddings-dir", folders), *(files or ())] or None
