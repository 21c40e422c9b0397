"""A table from the command line into a folder, with what is said on the way."""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from kakusan.batch.attempts import Attempts
from kakusan.batch.columns import Columns
from kakusan.batch.identity import Identity
from kakusan.batch.keys import Keys
from kakusan.batch.made import Made
from kakusan.batch.manifest import Manifest
from kakusan.batch.model_hash import ModelHashes
from kakusan.batch.row import SUCCESS, Row
from kakusan.batch.run import Done, run
from kakusan.batch.shard import Shard
from kakusan.batch.sinks import FOLDER, Layout, open_sink
from kakusan.batch.storage import Storage, open_storage
from kakusan.batch.tables import Survey, Table
from kakusan.cli.batch_engines import Where
from kakusan.cli.console import complain, remark
from kakusan.cli.exits import DONE, INTERRUPTED, PARTLY
from kakusan.cli.live import Live
from kakusan.vocabulary import COMMAND_LINE

_MOST_NOTICES = 20


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What was typed, but for the table.

    Attributes:
        settings: of rows that do not say them, as plain JSON.
    """

    output: str
    layout: str
    shard_size: int
    strict: bool
    shard: Shard
    run_seed: int
    window: int
    together: int
    where: Where
    settings: Mapping[str, Any]
    wildcards: list[str]
    lora_dirs: list[str] | None
    quiet: bool


def draw(table: Table, asked: Asked, line: Live) -> int:
    """Draw a table's rows; the exit code.

    Raises:
        InputError: Something was asked that cannot be done, said before anything is drawn.
    """
    line.wait("reading the table")
    survey = table.survey()
    columns = Columns.of(survey.kinds, strict=asked.strict)
    if not asked.quiet:
        remark(columns.told())
    layout = Layout(asked.layout, asked.shard_size, _kinds(columns, survey))
    line.wait("looking at the model")
    models = ModelHashes()
    identity = _identity(asked, survey, layout, models.of(asked.settings))
    keys = Keys(columns, models, asked.settings, asked.run_seed)
    rows = (row for row in keys.rows(table) if asked.shard.holds(row.key))
    with closing(open_storage(asked.output)) as storage:
        identity.begin(storage)
        manifest = Manifest(storage, open_sink(layout, storage))
        manifest.resume()
        progress = _Progress(line, manifest, survey)
        return _drawn(rows, manifest, storage, (asked, columns), progress)


def _drawn(
    rows: Iterator[Row],
    manifest: Manifest,
    storage: Storage,
    made_of: tuple[Asked, Columns],
    progress: "_Progress",
) -> int:
    attempts = Attempts(storage)
    notices = _Notices(quiet=made_of[0].quiet)
    try:
        held = made_of[0].where.held(_made(*made_of), storage, attempts, notices)
        with closing(held) as engine:
            run(rows, engine, manifest, window=made_of[0].window, told=progress)
    except KeyboardInterrupt:
        manifest.finish(complete=False)
        attempts.clear()
        remark(f"{manifest.rows} rows are done; the same command goes on from there")
        return INTERRUPTED
    manifest.finish(complete=True)
    attempts.clear()
    failed = {name: n for name, n in manifest.statuses.items() if name != SUCCESS}
    if failed:
        told = ", ".join(f"{count} {status}" for status, count in sorted(failed.items()))
        complain(f"{sum(failed.values())} of {manifest.rows} rows have no picture ({told})")
    return PARTLY if failed else DONE


def _kinds(columns: Columns, survey: Survey) -> dict[str, str]:
    return {name: survey.kinds[column] for column, name in columns.carried.items()}


def _identity(asked: Asked, survey: Survey, layout: Layout, model: str) -> Identity:
    return Identity(
        table=survey.sha256,
        rows=survey.rows,
        model=model,
        settings={name: each for name, each in asked.settings.items() if name != "device"},
        run_seed=asked.run_seed,
        shard=str(asked.shard),
        format=layout.format,
        shard_size=0 if layout.format == FOLDER else layout.size,
        together=asked.together,
        wildcards=asked.wildcards,
        kinds=layout.kinds,
    )


def _made(asked: Asked, columns: Columns) -> Made:
    return Made(
        folder=os.getcwd(),
        settings=asked.settings,
        loads="model" not in columns.words,
        together=asked.together,
        lora_dirs=asked.lora_dirs,
        wildcards=asked.wildcards,
        words={**COMMAND_LINE.words, **columns.words},
    )


class _Notices:
    """Says the first things that are to be known of pictures, each once."""

    def __init__(self, *, quiet: bool) -> None:
        self._left = 0 if quiet else _MOST_NOTICES
        self._said: set[str] = set()

    def __call__(self, text: str) -> None:
        if self._left == 0 or text in self._said:
            return
        self._left -= 1
        self._said.add(text)
        remark(text)
        if self._left == 0:
            remark("what else there is to know of pictures stands in their records")


class _Progress:
    """The line that says how far a run has come, and how fast it goes."""

    def __init__(self, line: Live, manifest: Manifest, survey: Survey) -> None:
        self._line, self._manifest, self._count = line, manifest, max(survey.rows, 1)
        self._first: tuple[float, int] | None = None  # when it began, and with how many rows
        line.wait("loading torch")

    def __call__(self, done: Done) -> None:
        if not self._line.on:
            return
        words = f"row {done.number + 1} of {self._count}{self._pace(done.rows)}"
        statuses = self._manifest.statuses
        if failed := statuses.total() - statuses[SUCCESS]:
            words += f", {failed} failed"
        self._line.step(min((done.number + 1) / self._count, 1.0), words)

    def _pace(self, rows: int) -> str:
        """How many rows there are in a time, once that can be told."""
        now = time.monotonic()
        if self._first is None or now <= self._first[0]:
            self._first = self._first or (now, rows)
            return ""
        rate = (rows - self._first[1]) / (now - self._first[0])
        return f", {rate:.1f} a second" if rate >= 1 else f", {60 * rate:.1f} a minute"
