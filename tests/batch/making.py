"""Tables, an engine that draws without a model, and runs of both."""

import csv
import hashlib
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from PIL import Image

from kakusan.batch.columns import Columns
from kakusan.batch.engine import Begun, Engine
from kakusan.batch.identity import Identity
from kakusan.batch.keys import Keys
from kakusan.batch.manifest import Manifest
from kakusan.batch.model_hash import ModelHashes
from kakusan.batch.row import FAILED_DRAW, SUCCESS, Drawn, Finished, Row
from kakusan.batch.run import run
from kakusan.batch.shard import Shard
from kakusan.batch.sinks import MANIFEST, Layout, open_sink
from kakusan.batch.storage import Storage, open_storage
from kakusan.batch.tables import Table, open_table


class OneModel(ModelHashes):
    """All models are the same."""

    def of(self, settings: Mapping[str, Any]) -> str:
        return f"the hash of {settings.get('model')}"


class Fake:
    """Draws a colour that row and seed make; prompts that begin with "bad" cannot be drawn.

    Args:
        back: whether the last row is drawn first.
    """

    def __init__(self, *, back: bool = False) -> None:
        self.back = back
        self.drawn: list[int] = []

    def draw(self, rows: Sequence[Row], begun: Begun) -> Iterator[Finished]:
        for row in reversed(rows) if self.back else rows:
            begun(row.number)
            self.drawn.append(row.number)
            yield finished(row)


def finished(row: Row) -> Finished:
    if str(row.settings["prompt"]).startswith("bad"):
        return Finished(row.number, FAILED_DRAW, error="it is bad")
    return Finished(row.number, SUCCESS, tuple(picture(row, i) for i in range(row.count)))


def picture(row: Row, index: int) -> Drawn:
    told = f"{row.settings['prompt']} {row.settings['seed'] + index}"
    colour = tuple(hashlib.sha256(told.encode("utf-8", "surrogatepass")).digest()[:3])
    data = io.BytesIO()
    Image.new("RGB", (16, 8), colour).save(data, "PNG")
    return Drawn(data.getvalue(), 16, 8)


def written(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """A table of rows, as its suffix says."""
    if path.suffix == ".jsonl":
        path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    elif path.suffix == ".csv":
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    else:
        import pyarrow as pa
        from pyarrow import parquet

        parquet.write_table(pa.Table.from_pylist(list(rows)), path, row_group_size=3)
    return path


def named(
    path: Path,
    *,
    run_seed: int = 0,
    shard: Shard | None = None,
    defaults: Mapping[str, Any] | None = None,
) -> list[Row]:
    """The rows of a table, or of a shard of it."""
    with open_table(str(path)) as table:
        return list(_rows(table, run_seed, Shard() if shard is None else shard, defaults or {}))


def _rows(table: Table, run_seed: int, shard: Shard, defaults: Mapping[str, Any]) -> Iterator[Row]:
    columns = Columns.of(table.survey().kinds)
    rows = Keys(columns, OneModel(), defaults, run_seed).rows(table)
    return (row for row in rows if shard.holds(row.key))


def go(
    path: Path,
    output: str | Path,
    engine: Engine | None = None,
    *,
    layout: str = "folder",
    size: int = 3,
    shard: Shard | None = None,
    window: int = 4,
    around: Callable[[Storage], Storage] = lambda storage: storage,
) -> list[dict[str, Any]]:
    """Run a table into a folder; the records of its manifest."""
    shard = Shard() if shard is None else shard
    with open_table(str(path)) as table, closing(around(open_storage(str(output)))) as storage:
        survey = table.survey()
        carried = Columns.of(survey.kinds).carried
        kinds = {name: survey.kinds[column] for column, name in carried.items()}
        identity = Identity(
            table=survey.sha256,
            rows=survey.rows,
            model="m",
            settings={},
            run_seed=0,
            shard=str(shard),
            format=layout,
            shard_size=size,
            together=1,
            wildcards=[],
            kinds=kinds,
        )
        identity.begin(storage)
        manifest = Manifest(storage, open_sink(Layout(layout, size, kinds), storage))
        manifest.resume()
        rows = _rows(table, 0, shard, {})
        try:
            run(rows, engine or Fake(), manifest, window=window, told=lambda _: None)
        except KeyboardInterrupt:
            manifest.finish(complete=False)
            raise
        manifest.finish(complete=True)
        return [json.loads(line) for line in storage.lines(MANIFEST)]


def records(folder: Path) -> list[dict[str, Any]]:
    """The lines of a manifest."""
    return [json.loads(each) for each in (folder / MANIFEST).read_bytes().splitlines()]


def everything(folder: Path) -> dict[str, bytes]:
    """Every file under a folder, by its path."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
