"""A table to pictures: rows in windows, drawn by whatever draws, told of in order."""

import itertools
from collections.abc import Callable, Iterator
from typing import NamedTuple

from kakusan.batch.engine import Engine
from kakusan.batch.manifest import Manifest
from kakusan.batch.record import Outcome
from kakusan.batch.row import FAILED_ROW, Row


class Done(NamedTuple):
    """How far a run has come.

    Attributes:
        number: of the last row that was told of, in the table.
        rows: how many were told of, with those of runs before.
    """

    number: int
    rows: int


def run(
    rows: Iterator[Row],
    engine: Engine,
    manifest: Manifest,
    *,
    window: int,
    told: Callable[[Done], object],
) -> None:
    """Draw all rows that the manifest does not tell of yet.

    Args:
        rows: of the whole table, or of a shard of it.
        window: how many are looked at together, so that those of one model are drawn after each
            other; what a row comes to does not depend on it.
        told: is told how far it has come.
    """
    left = itertools.islice(rows, manifest.rows, None)
    while some := list(itertools.islice(left, window)):
        _draw(some, engine, manifest, told)
        manifest.flush()


def _draw(
    rows: list[Row], engine: Engine, manifest: Manifest, told: Callable[[Done], object]
) -> None:
    outcomes: dict[int, Outcome] = {}
    by_number = {row.number: row for row in rows}
    turn = iter(rows)
    next_row = next(turn, None)

    def tell() -> None:
        nonlocal next_row
        while next_row is not None and next_row.number in outcomes:
            manifest.tell(next_row, outcomes.pop(next_row.number))
            told(Done(next_row.number, manifest.rows))
            next_row = next(turn, None)

    asked: list[Row] = []
    for row in rows:
        if row.error is not None:
            outcomes[row.number] = Outcome(FAILED_ROW, error=row.error)
        elif (kept := manifest.kept(row)) is not None:
            outcomes[row.number] = kept
        else:
            asked.append(row)
    tell()
    for finished in engine.draw(asked, lambda _: None):
        outcomes[finished.number] = manifest.keep(by_number[finished.number], finished)
        tell()
