"""A run whose rows go through a queue, and the threads that draw them from it."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar

import pytest

from kakusan.batch.engine import Begun, Engine
from kakusan.batch.made import Made
from kakusan.batch.on_queue import drawer, engine
from kakusan.batch.on_queue.drawer import Drawer
from kakusan.batch.on_queue.engine import QueueEngine, client_of
from kakusan.batch.on_queue.submission import submission_of
from kakusan.batch.row import Finished, Row
from kakusan.batch.storage import LocalStorage
from kakusan.errors import InputError
from kakusan.request import Request
from kakusan.server.queue.job import Job, State, Submission
from kakusan.server.queue.store import Store
from kakusan.server.worker.pace import Pace
from tests.batch.making import Fake, everything, go, named, written
from tests.batch.on_queue.fakes import MADE, Memory
from tests.server.clusters import Cluster

ROWS = [{"prompt": "bad" if n % 9 == 4 else f"a {n}", "n": 1 + n % 2} for n in range(24)]
PACE = Pace(poll_s=0.01, sweep_s=0.2)


class Inline:
    """Draws in this process, in the place of another."""

    engine: Engine = Fake()
    refusal: InputError | None = None
    made: ClassVar[list[Made]] = []

    def __init__(self, make: Any, attempts: object, told: Callable[[str], object]) -> None:
        self._told = told
        Inline.made.append(make.__self__)

    def draw(self, rows: Sequence[Row], begun: Begun) -> Iterator[Finished]:
        if Inline.refusal is not None:
            raise Inline.refusal
        for finished in Inline.engine.draw(rows, begun):
            self._told(f"told of {finished.number}")
            yield finished

    def close(self) -> None:
        pass


@pytest.fixture(autouse=True)
def inline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawer, "Supervised", Inline)
    monkeypatch.setattr(engine, "_LOOK_S", 0.01)
    for name, value in (("engine", Fake()), ("refusal", None), ("made", [])):
        monkeypatch.setattr(Inline, name, value)


@pytest.fixture
def drawers(store: Store) -> Iterator[Callable[..., Drawer]]:
    """Begins threads that draw, and ends them."""
    begun = list[Drawer]()

    def begin(**values: Any) -> Drawer:
        made = Drawer(store, **{"device": None, "dtype": None, "pace": PACE, **values})
        begun.append(made)
        made.start()
        return made

    yield begin
    for each in begun:
        assert each.drain(20)


class Client(QueueEngine):
    """Leaves the store open, which the tests look at."""

    def __init__(
        self,
        store: Store,
        told: Callable[[str], object] = print,
        storage: Any = None,
        **made: Any,
    ) -> None:
        storage = Memory() if storage is None else storage
        super().__init__(store, Made(**{**MADE, **made}), storage, told)

    def close(self) -> None:
        kept, self._store = self._store, _Open(self._store)  # type: ignore[assignment]
        super().close()
        self._store = kept


class _Open:
    def __init__(self, store: Store) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def close(self) -> None:
        pass


def left(store: Store) -> list[Job]:
    return store.jobs(limit=1000)


def wait(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("together", [1, 4])
def test_two_drawers_give_what_one_machine_gives(
    store: Store, drawers: Callable[..., Drawer], tmp_path: Path, together: int
) -> None:
    table = written(tmp_path / "t.jsonl", ROWS)
    go(table, tmp_path / "here")
    drawers(), drawers()
    told = list[str]()
    with closing(Client(store, told.append, together=together)) as client:
        go(table, tmp_path / "there", client, window=10)
    assert everything(tmp_path / "there") == everything(tmp_path / "here")
    assert sorted(set(told)) == sorted(f"told of {n}" for n in range(len(ROWS)))
    assert left(store) == []


def test_a_run_that_is_stopped_takes_its_rows_back(
    store: Store, drawers: Callable[..., Drawer], tmp_path: Path
) -> None:
    table = written(tmp_path / "t.jsonl", ROWS)
    client = Client(store)
    each = client.draw(rows_of(table), lambda _: None)
    threading.Timer(0.2, drawers).start()
    next(each)
    each.close()
    client.close()
    wait(lambda: not left(store))
    with closing(Client(store)) as again:
        go(table, tmp_path / "there", again, window=10)
    go(table, tmp_path / "here")
    assert everything(tmp_path / "there") == everything(tmp_path / "here")


def rows_of(table: Path) -> list[Row]:
    return named(table)


def test_a_run_that_was_killed_draws_no_row_again(
    store: Store, drawers: Callable[..., Drawer], tmp_path: Path
) -> None:
    table = written(tmp_path / "t.jsonl", ROWS)
    storage = Memory()
    killed = Client(store, storage=storage).draw(rows_of(table), lambda _: None)
    drawers()
    first = next(killed)  # and is never heard of again
    wait(lambda: all(job.state.is_final for job in left(store)) and len(left(store)) == len(ROWS))
    with closing(Client(store, storage=storage)) as again:
        go(table, tmp_path / "there", again, window=len(ROWS))
    assert not storage.files
    assert first.number in range(len(ROWS))
    fake = Inline.engine
    assert isinstance(fake, Fake)
    assert sorted(fake.drawn) == list(range(len(ROWS)))
    assert left(store) == []
    go(table, tmp_path / "here")
    assert everything(tmp_path / "there") == everything(tmp_path / "here")


def test_what_somebody_deletes_is_handed_in_again(
    store: Store, drawers: Callable[..., Drawer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "_MISSING_S", 0.1)
    table = written(tmp_path / "t.jsonl", ROWS[:5])

    def delete() -> None:
        wait(lambda: len(left(store)) == 5)
        store.delete(*(job.id for job in left(store)[:3]))
        drawers()

    other = threading.Thread(target=delete)
    other.start()
    with closing(Client(store)) as client:
        go(table, tmp_path / "there", client, window=5)
    other.join()
    go(table, tmp_path / "here")
    assert everything(tmp_path / "there") == everything(tmp_path / "here")


def test_it_is_said_where_nobody_draws(
    store: Store, drawers: Callable[..., Drawer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "_MISSING_S", 0.05)
    monkeypatch.setattr(engine, "_UNHEARD_S", 0.2)
    told = list[str]()

    def tell(text: str) -> None:
        told.append(text)
        if len(told) == 1:
            drawers()

    table = written(tmp_path / "t.jsonl", ROWS[:2])
    with closing(Client(store, tell)) as client:
        go(table, tmp_path / "there", client)
    assert told[0].startswith("no row was drawn for 0 seconds; see that `kakusan worker` runs")


def test_rows_that_cannot_be_begun_here_are_left_to_others(
    store: Store, drawers: Callable[..., Drawer], tmp_path: Path
) -> None:
    Inline.refusal = InputError("there is no such model")
    drawers(device="cpu")
    row = Row(0, "k", "k", {"prompt": "a", "seed": 1}, {})
    job = store.submit(submission_of(row, Made(**MADE), "batch-1"))
    wait(lambda: Inline.made)
    wait(lambda: [each.state for each in left(store)] == [State.QUEUED])
    Inline.refusal = None
    time.sleep(0.2)
    found = store.job(job.id)
    assert found is not None
    assert (found.state, found.attempts, len(Inline.made)) == (State.QUEUED, 0, 1)
    drawers(device="cpu")
    wait(lambda: store.results("batch-1", limit=1))
    assert Inline.made[-1].settings == {"device": "cpu"}


def test_a_drawer_gives_back_what_it_does_not_finish(store: Store) -> None:
    begun, go_on = threading.Event(), threading.Event()

    class Slow(Fake):
        def draw(self, rows: Sequence[Row], begun_: Begun) -> Iterator[Finished]:
            for row in rows:
                begun_(row.number)
                begun.set()
                go_on.wait(20)
                yield from super().draw([row], lambda _: None)

    Inline.engine = Slow()
    rows = [Row(n, f"{n}", f"{n}", {"prompt": "a", "seed": n}, {}) for n in range(3)]
    made = Made(**{**MADE, "together": 4})
    store.submit_all([submission_of(row, made, "batch-1") for row in rows])
    thread = Drawer(store, device=None, dtype=None, pace=PACE)
    thread.start()
    assert begun.wait(20)
    assert not thread.drain(0.1)
    assert [(job.state, job.attempts) for job in left(store)] == [(State.QUEUED, 0)] * 3
    go_on.set()
    thread.join()
    assert [(job.state, job.attempts) for job in left(store)] == [(State.QUEUED, 0)] * 3
    assert store.results("batch-1", limit=5) == []


def test_it_draws_no_job_of_a_server_and_waits_while_there_are_some(
    store: Store, drawers: Callable[..., Drawer]
) -> None:
    free = False
    row = Row(0, "k", "k", {"prompt": "a", "seed": 1}, {})
    store.submit(Submission(request=Request.of("a cat", seed=1).to_record()))
    store.submit(submission_of(row, Made(**MADE), "batch-1"))
    drawers(is_free=lambda: free)
    time.sleep(0.2)
    assert {job.state for job in left(store)} == {State.QUEUED}
    free = True
    wait(lambda: store.results("batch-1", limit=1))
    assert {job.submission.dialect: job.state for job in left(store)} == {
        "kakusan": State.QUEUED,
        "batch": State.DONE,
    }


def test_a_batch_is_called_the_same_at_every_start(tmp_path: Path) -> None:
    with closing(LocalStorage(tmp_path / "a")) as storage:
        name = client_of(storage)
        assert client_of(storage) == name
        storage.write(engine.FILE, b"{broken")
        other = client_of(storage)
    assert other != name
    assert other.startswith("batch-")


def test_a_database_that_is_away_for_a_while_ends_no_run(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, told = written(tmp_path / "t.jsonl", ROWS), list[str]()
    store = Store.open(cluster.database(), patience_s=0.1)
    thread = Drawer(store, device=None, dtype=None, pace=PACE)

    class Outage(Fake):
        def draw(self, rows: Sequence[Row], begun: Begun) -> Iterator[Finished]:
            for row in rows:
                yield from super().draw([row], begun)
                if row.number == 5:
                    cluster.stop()
                    threading.Timer(1.5, cluster.start).start()

    monkeypatch.setattr(Inline, "engine", Outage())
    thread.start()
    with closing(Client(store, told.append)) as client:
        go(table, tmp_path / "there", client, window=len(ROWS))
    assert thread.drain(20)
    store.close()
    assert any(each.startswith("the queue does not answer, and is tried on: ") for each in told)
    go(table, tmp_path / "here")
    assert everything(tmp_path / "there") == everything(tmp_path / "here")
