"""The run's side: rows go into the queue, and come back finished."""

import itertools
import json
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import TypeVar

from kakusan.batch.attempts import deaths_said
from kakusan.batch.engine import Begun
from kakusan.batch.made import Made
from kakusan.batch.on_queue.parcel import Parcel
from kakusan.batch.on_queue.submission import submission_of
from kakusan.batch.row import FAILED_ATTEMPTS, Finished, Row
from kakusan.batch.storage import STATE, Storage
from kakusan.server.queue.errors import StoreError
from kakusan.server.queue.job import RowResult
from kakusan.server.queue.store import Store

T = TypeVar("T")

FILE = f"{STATE}/queue.json"
_AT_ONCE = 64  # rows handed in, or results taken, in one transaction
_TAKEN = 8  # results read at a time, since they hold pictures
_LOOK_S = 0.2  # between looks for results
_MISSING_S = 10.0  # between looks for rows that somebody deleted
_PATIENCE_S = 600.0  # for a database that does not answer
_UNHEARD_S = 60.0  # without a row that is drawn, after which that is said


def client_of(storage: Storage) -> str:
    """What the batch of a folder is called in the queue, the same at every start."""
    data = storage.read(FILE)
    with suppress(ValueError, KeyError, TypeError):
        return f"batch-{uuid.UUID(json.loads(data or b'null')['batch'])}"
    made = uuid.uuid4()
    storage.write(FILE, json.dumps({"batch": str(made)}).encode())
    return f"batch-{made}"


def opened(url: str, made: Made, storage: Storage, told: Callable[[str], object]) -> "QueueEngine":
    """The engine of a batch, with its queue.

    Args:
        url: of the database.
        storage: where the batch is kept.

    Raises:
        KakusanError: The database is another program's, or does not answer.
    """
    return QueueEngine(Store.open(url), made, storage, told)


class QueueEngine:
    """Hands rows to the workers of a queue.

    A row stays in the queue until its pictures are kept, so that after an end of the run it need
    not be drawn again.

    Args:
        storage: where the batch is kept, and what it is called in the queue until it is over.
        told: is told what there is to know of pictures, a line each.
    """

    def __init__(
        self, store: Store, made: Made, storage: Storage, told: Callable[[str], object]
    ) -> None:
        self._store, self._made, self._storage, self._told = store, made, storage, told
        self._client = client_of(storage)
        self._waiting: dict[str, Row] = {}
        self._ended = list[str]()  # jobs whose rows were told of
        self._heard_at = self._looked_at = time.monotonic()

    def draw(self, rows: Sequence[Row], begun: Begun) -> Iterator[Finished]:  # noqa: ARG002
        self._heard_at = self._looked_at = time.monotonic()
        left = iter(rows)
        while self._hand_in(itertools.islice(left, _AT_ONCE)):
            yield from self._results()
        while self._waiting:
            before = len(self._waiting)
            yield from self._results()
            if len(self._waiting) == before:
                self._look_around()
                time.sleep(_LOOK_S)
        self._forget()

    def close(self) -> None:
        """Take back all that is still in the queue; of what is drawn now, nothing is kept."""
        try:
            while found := self._store.jobs(client=self._client, limit=_AT_ONCE):
                self._store.delete(*(job.id for job in found))
            self._storage.remove(FILE)
        finally:
            self._store.close()

    def _hand_in(self, rows: Iterator[Row]) -> bool:
        """Hand rows in; whether there were any."""
        some = list(rows)
        if some:
            asked = [submission_of(row, self._made, self._client) for row in some]
            jobs = self._patient(lambda: self._store.submit_all(asked))
            for row, job in zip(some, jobs, strict=True):
                self._waiting[job.id] = row
        return bool(some)

    def _results(self) -> Iterator[Finished]:
        """The rows that have ended; one that is yielded is kept when the next is asked for."""
        while found := self._patient(lambda: self._store.results(self._client, limit=_TAKEN)):
            for result in found:
                row = self._waiting.pop(result.id, None)
                if row is not None:  # else of a run that was ended, and told of by that
                    yield self._finished(row, result)
                self._ended.append(result.id)
            self._forget()
            self._heard_at = time.monotonic()

    def _finished(self, row: Row, result: RowResult) -> Finished:
        if result.data is None:
            return Finished(row.number, FAILED_ATTEMPTS, error=deaths_said(result.attempts))
        parcel = Parcel.unpacked(result.data)
        for notice in parcel.notices:
            self._told(notice)
        return parcel.finished

    def _forget(self) -> None:
        while self._ended:
            self._patient(lambda: self._store.delete(*self._ended[-_AT_ONCE:]))
            del self._ended[-_AT_ONCE:]

    def _patient(self, call: Callable[[], T]) -> T:
        """What a call of the store gives, which may be down for a while."""
        until = time.monotonic() + _PATIENCE_S
        while True:
            try:
                return call()
            except StoreError as error:
                if time.monotonic() > until:
                    raise
                self._told(f"the queue does not answer, and is tried on: {error}")
                time.sleep(_LOOK_S)

    def _look_around(self) -> None:
        """Hand in again what somebody deleted, and say it where nobody draws."""
        now = time.monotonic()
        if now - self._looked_at < _MISSING_S:
            return
        self._looked_at = now
        unfinished = self._patient(lambda: self._store.unfinished(self._client))
        if any(unfinished.values()):
            self._heard_at = now
        results = self._patient(lambda: self._store.results(self._client, limit=_TAKEN))
        ended = {each.id for each in results}
        lost = [id for id in self._waiting if id not in unfinished and id not in ended]
        if lost and len(ended) < _TAKEN:
            self._hand_in(iter([self._waiting.pop(id) for id in lost]))
        if now - self._heard_at > _UNHEARD_S:
            self._told(
                f"no row was drawn for {_UNHEARD_S:.0f} seconds; see that `kakusan worker` runs "
                "with this database, and what its log says"
            )
