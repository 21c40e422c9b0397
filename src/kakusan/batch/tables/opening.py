"""Which kind of table a file is, by its suffix."""

import importlib.util
import shutil
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from kakusan.batch.tables.delimited import DelimitedTable
from kakusan.batch.tables.lines import LinesTable
from kakusan.batch.tables.parquet import ParquetTable
from kakusan.batch.tables.table import Table
from kakusan.errors import InputError, shown, shown_path

STDIN = "-"


@contextmanager
def open_table(name: str) -> Generator[Table]:
    """The table in a file; "-" is JSONL from stdin, which is put into a file of its own first.

    Raises:
        InputError: There is no such file, it is of no kind that is read, or what reads it is not
            installed.
    """
    if name != STDIN:
        yield _table(Path(name).expanduser())
        return
    if sys.stdin is None:  # pyright: ignore[reportUnnecessaryComparison]  closed by the caller
        raise InputError('the table "-" is read from stdin, but stdin is closed')
    with tempfile.TemporaryDirectory(prefix="kakusan-") as folder:
        path = Path(folder) / "stdin.jsonl"
        with path.open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
        yield LinesTable(path)


def _table(path: Path) -> Table:
    suffix = path.suffix.casefold()
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "is not there"
        raise InputError(f"{shown_path(path)} {what}; give a .csv, .jsonl or .parquet file")
    if suffix in (".csv", ".tsv"):
        return DelimitedTable(path, "\t" if suffix == ".tsv" else ",")
    if suffix in (".jsonl", ".ndjson"):
        return LinesTable(path)
    if suffix != ".parquet":
        raise InputError(
            f"{shown_path(path)} ends in {shown(path.suffix)}; tables are read from .csv, .tsv, "
            ".jsonl and .parquet"
        )
    if importlib.util.find_spec("pyarrow") is None:
        raise InputError(
            'Parquet needs pyarrow, which is not installed: pip install "kakusan[parquet]"'
        )
    return ParquetTable(path)
