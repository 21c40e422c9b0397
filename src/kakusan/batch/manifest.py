"""The manifest of a run: what it says, and what is in order when it is opened again."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from kakusan.batch.record import Kept, Outcome, Record, is_last, line_of, records_of
from kakusan.batch.row import SUCCESS, Finished, Row
from kakusan.batch.sinks import MANIFEST, Sink
from kakusan.batch.storage import Storage
from kakusan.errors import InputError, shown_path

_MOST_HELD = 256  # lines, where they are appended slowly


class Manifest:
    """Written in the order of the table, each line after its picture.

    Attributes:
        rows: how many are told of.
        statuses: how many of each status.
    """

    def __init__(self, storage: Storage, sink: Sink) -> None:
        self._storage, self._sink = storage, sink
        self._held: list[Record] = []
        self.rows = 0
        self.statuses = Counter[str]()

    def resume(self) -> None:
        """Take what was told before.

        Raises:
            InputError: It is broken.
        """
        lines, held = 0, list[Record]()
        for line in self._storage.lines(MANIFEST):
            held.append(self._parsed(line, lines + len(held)))
            if is_last(held[-1]):
                lines += len(held)
                self._count(held)
                held.clear()
        if held:  # of a row that was not told of whole
            self._storage.cut(MANIFEST, lines)

    def _parsed(self, line: bytes, number: int) -> Record:
        try:
            return json.loads(line)
        except ValueError:
            raise InputError(
                f"{shown_path(self._storage.where)}: line {number + 1} of {MANIFEST} is broken; "
                "begin in a new folder"
            ) from None

    def _count(self, records: Sequence[Mapping[str, Any]]) -> None:
        self.rows += 1
        self.statuses[records[0]["status"]] += 1
        for record in records:
            self._sink.take(record)

    def kept(self, row: Row) -> Outcome | None:
        """What a run that was ended drew of a row, if it had all of it."""
        found: list[Kept] = []
        for stem in row.named(row.stem):
            name = self._sink.picture(stem)
            if not self._storage.exists(name):
                return None
            with self._storage.opened(name) as path:
                found.append(Kept.in_file(path))
        return Outcome(SUCCESS, found)

    def keep(self, row: Row, finished: Finished) -> Outcome:
        """Keep the pictures of a row; its line follows when it is its turn."""
        for stem, drawn in zip(row.named(row.stem), finished.pictures, strict=False):
            self._storage.write(self._sink.picture(stem), drawn.data)
        pictures = [Kept.of(drawn) for drawn in finished.pictures]
        return Outcome(finished.status, pictures, finished.error)

    def tell(self, row: Row, outcome: Outcome) -> None:
        """Tell of a row, whose turn it is."""
        self.tell_records(records_of(row, outcome, self._sink.file_of))

    def tell_records(self, records: Sequence[Record]) -> None:
        """The same, whose lines are made already."""
        self._held += records
        if not self._storage.appends_slowly or len(self._held) >= _MOST_HELD:
            self.flush()

    def flush(self) -> None:
        """Have all that was told on the disk."""
        told, self._held = self._held, []  # before: Ctrl-C may come in between, and they stand once
        if not told:
            return
        self._storage.append(MANIFEST, b"".join(map(line_of, told)))
        row: list[Record] = []
        for record in told:
            row.append(record)
            if is_last(record):
                self._count(row)
                row = []

    def finish(self, *, complete: bool) -> None:
        """Leave everything in order."""
        self.flush()
        self._sink.finish(complete=complete)
        if complete:
            self._storage.join(MANIFEST)
