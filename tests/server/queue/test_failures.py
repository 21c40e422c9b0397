"""What must happen when something fails, a test for each row of the table in the design."""

import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from kakusan.errors import InputError
from kakusan.server.queue import postgres
from kakusan.server.queue.errors import StoreError, StoreTooNew
from kakusan.server.queue.files import Files
from kakusan.server.queue.job import State
from kakusan.server.queue.owners import own_name
from kakusan.server.queue.store import Store
from tests.server import clusters
from tests.server.queue.making import asked, begun, drawn, prompts

WORKS = """
import sys, time
from kakusan.server.queue.errors import LeaseLost
from kakusan.server.queue.owners import own_name
from kakusan.server.queue.store import Store
store = Store.open(sys.argv[1])
(job,) = store.claim(own_name(), limit=1, lease_s=0.5)
print("begun", flush=True)
try:
    while True:
        store.renew(job, 0.5)
        time.sleep(0.02)
except LeaseLost as error:
    print(error, flush=True)
"""
DIES = """
import os, signal, sys
from pathlib import Path
from kakusan.server.queue.files import Files
from kakusan.server.queue.owners import own_name
from kakusan.server.queue.store import Store
files = Files(Path(sys.argv[2]))
store = Store.open(sys.argv[1], files)
(job,) = store.claim(own_name(), limit=1, lease_s=3600)
store.renew(job, 3600, step=7, steps=9)
files.put_latents(job.id, b"state")
files.put_picture(job.id, 0, b"a picture", ".png")
os.kill(os.getpid(), signal.SIGKILL)
"""


@contextmanager
def other_connection(address: str) -> Iterator[Callable[[str], object]]:
    """Somebody else's connection to the same database, in a transaction until the end."""
    if address.startswith("sqlite"):
        connection = sqlite3.connect(address.removeprefix("sqlite:///"), isolation_level=None)
        yield connection.execute
        connection.close()
        return
    engine = create_engine(address.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        yield lambda statement: connection.execute(text(statement))
        connection.rollback()
    engine.dispose()


@contextmanager
def locked(address: str) -> Iterator[None]:
    with other_connection(address) as execute:
        execute("BEGIN IMMEDIATE" if address.startswith("sqlite") else "LOCK TABLE jobs, meta")
        yield


@contextmanager
def full(store: Store, address: str) -> Iterator[None]:
    """The disk of the database takes no more."""
    if not store.shared:
        pages = "PRAGMA max_page_count"
        most = store._write(lambda t: t.connection.exec_driver_sql(pages).scalar())
        store._write(lambda t: t.connection.exec_driver_sql(f"{pages} = 1"))
        yield
        raw = store._database._writing.raw_connection()  # type: ignore[attr-defined]
        raw.driver_connection.execute(f"{pages} = {most}")
        return
    with other_connection(address) as execute:
        execute(
            "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'No space left on device' USING ERRCODE = '53100'; END $$"
        )
        for table in ("jobs", "meta"):
            execute(
                f"CREATE TRIGGER full_disk BEFORE INSERT OR UPDATE ON {table} "
                "FOR EACH ROW EXECUTE FUNCTION full_disk()"
            )
        execute("COMMIT")
    yield
    with other_connection(address) as execute:
        execute("DROP FUNCTION full_disk CASCADE")
        execute("COMMIT")


def large() -> str:
    """More than fits into what a file has free."""
    return "x" * 50_000


def timed(call: Callable[[], object]) -> float:
    start = time.monotonic()
    call()
    return time.monotonic() - start


def refused(store: Store, match: str) -> None:
    """A job is not taken in, says why, and is not there afterwards."""

    def submit() -> None:
        with pytest.raises(StoreError, match=f"the database does not take it now: .*{match}"):
            store.submit(asked(large()))

    assert 0.3 < timed(submit) < 6


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Databases that wait for each other as long as the test does."""
    monkeypatch.setattr("kakusan.server.queue.sqlite._BUSY", 0.2)
    monkeypatch.setitem(postgres._SETTINGS, "lock_timeout", "200ms")
    monkeypatch.setitem(postgres._SETTINGS, "idle_in_transaction_session_timeout", "500ms")


@pytest.fixture
def brief(hasty: None, address: str, files: Files) -> Iterator[Store]:
    """A store that gives up after half a second, with a job in it."""
    opened = Store.open(address, files, patience_s=0.5)
    opened.submit(asked("first"))
    yield opened
    opened.close()


def test_a_locked_database_is_waited_for_and_then_said(brief: Store, address: str) -> None:
    with locked(address):
        refused(brief, "lock")
        assert not brief.healthy()
        if not brief.shared:
            assert prompts(brief.jobs()) == ["first"]  # who only looks is not held up
    assert brief.healthy()
    assert prompts(brief.jobs()) == ["first"]
    brief.submit(asked("second"))


def test_a_full_disk_is_waited_for_and_then_said(brief: Store, address: str) -> None:
    with full(brief, address):
        refused(brief, "full" if not brief.shared else "No space left on device")
        assert prompts(brief.jobs()) == ["first"]
    brief.submit(asked(large()))
    assert len(begun(brief, limit=9)) == 2


@pytest.mark.parametrize("trouble", [locked, full])
def test_what_passes_in_time_is_not_noticed(
    hasty: None, address: str, trouble: Callable[..., object]
) -> None:
    store = Store.open(address, patience_s=10.0)
    inside, over = threading.Event(), threading.Event()

    def hold() -> None:
        with locked(address) if trouble is locked else full(store, address):
            inside.set()
            over.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    inside.wait()
    threading.Timer(0.8, over.set).start()
    assert timed(lambda: store.submit(asked(large()))) > 0.7
    thread.join()
    assert len(store.jobs()) == 1
    assert len(store.events(after=0)) == 1
    store.close()


def test_a_file_that_may_not_grow_loses_nothing(tmp_path: Path) -> None:
    """As on a full disk, by the system's own limit, in a process of its own."""
    code = """
import resource, sys
from kakusan.server.queue.errors import StoreError
from kakusan.server.queue.job import Submission
from kakusan.server.queue.store import Store
store = Store.open(sys.argv[1], patience_s=0.3)
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))
taken = 0
try:
    while True:
        store.submit(Submission(request={"prompt": "x" * 20_000}))
        taken += 1
except StoreError as error:
    print(error)
assert len(store.jobs(limit=1000)) == taken > 0
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
store.submit(Submission(request={"prompt": "x" * 20_000}))
assert store.healthy()
print(taken + 1)
"""
    address = f"sqlite:///{tmp_path}/queue.db"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, address], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    message, taken = done.stdout.splitlines()
    assert message.startswith("the database does not take it now: ")
    store = Store.open(address)
    assert len(store.jobs(limit=1000)) == int(taken)
    assert store.notices == ()
    store.close()


def test_a_database_that_is_down_is_waited_for_and_then_said(
    hasty: None, cluster: clusters.Cluster, files: Files
) -> None:
    address = cluster.database()
    store = Store.open(address, files, patience_s=0.5)
    job = store.submit(asked(key="k", body_hash="x"))
    (held,) = begun(store)
    picture = drawn(files, held)
    cluster.stop()
    try:
        refused(store, "connection|server|refused")
        with pytest.raises(StoreError):
            store.add_picture(held, picture)  # the worker keeps it, and tries again
        with pytest.raises(StoreError):
            store.job(job.id)
        assert not store.healthy()
        with pytest.raises(StoreError, match="the database does not take it now") as told:
            Store.open(address.replace("postgres@", "postgres:secret@"), patience_s=0.5)
        assert "secret" not in str(told.value)
    finally:
        cluster.start()
    assert store.healthy()
    store.add_picture(held, picture)
    assert store.finish(held, State.DONE).pictures == (picture,)
    assert store.submit(asked(key="k", body_hash="x")).id == job.id
    store.close()


def test_a_database_that_comes_back_in_time_is_not_noticed(cluster: clusters.Cluster) -> None:
    store = Store.open(cluster.database(), patience_s=20.0)
    store.submit(asked("first"))
    cluster.stop()
    threading.Timer(0.5, cluster.start).start()
    store.submit(asked("second"))
    assert prompts(store.jobs()) == ["second", "first"]
    store.close()


def test_a_worker_that_dies_in_its_steps_loses_no_job(
    address: str, files: Files, tmp_path: Path
) -> None:
    store = Store.open(address, files)
    job = store.submit(asked())
    if not store.shared:
        store.close()
    died = subprocess.run([sys.executable, "-c", DIES, address, str(tmp_path / "files")])
    assert died.returncode == -signal.SIGKILL
    if not store.shared:
        store = Store.open(address, files)
    else:
        assert store.sweep() == [job.id]
    state = files.latents(job.id)
    assert state is not None
    assert state.read_bytes() == b"state"
    (again,) = begun(store)
    assert (again.attempts, again.fence, again.step, again.pictures) == (2, 2, 7, ())
    # its file had a name and no row; the same bytes get the same name, so there is one of each
    store.add_picture(again, drawn(files, again))
    done = store.finish(again, State.DONE)
    assert len(done.pictures) == 1
    assert [path.name for path in (tmp_path / "files" / "pictures").iterdir()] == [
        done.pictures[0].file
    ]
    assert files.latents(job.id) is None
    store.close()


def test_a_stopped_worker_is_fenced_off(cluster: clusters.Cluster) -> None:
    address = cluster.database()
    store = Store.open(address)
    job = store.submit(asked())
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKS, address], stdout=subprocess.PIPE, text=True
    )
    assert worker.stdout is not None
    assert worker.stdout.readline() == "begun\n"
    time.sleep(0.7)
    assert store.sweep() == []  # it renews its lease
    worker.send_signal(signal.SIGSTOP)
    deadline = time.monotonic() + 10
    while not store.sweep() and time.monotonic() < deadline:
        time.sleep(0.05)
    (held,) = begun(store)
    assert (held.id, held.fence) == (job.id, 2)
    worker.send_signal(signal.SIGCONT)
    assert "is held by another worker" in worker.stdout.readline()
    assert worker.wait(10) == 0
    worker.stdout.close()
    assert store.finish(held, State.DONE).state is State.DONE
    store.close()


def test_one_that_stops_in_the_middle_of_a_write_holds_nobody_up(
    hasty: None, cluster: clusters.Cluster
) -> None:
    store = Store.open(cluster.database())
    store.submit(asked("a", client="x"))
    store.submit(asked("b", client="x"))
    stalled = threading.Event()

    def stall(t: object) -> None:
        if not stalled.is_set():
            stalled.set()
            time.sleep(1.5)

    held: list[object] = []
    database = store._database

    def claim_and_stall() -> None:
        def work(t: postgres.Transaction) -> None:
            from kakusan.server.queue import claiming

            held.extend(
                claiming.claim(
                    t,
                    "late",
                    limit=1,
                    lease_s=9,
                    models=None,
                    prefer=None,
                    others=0,
                    rows=None,
                )
            )
            stall(t)

        with pytest.raises(StoreError):
            database.write(work, 0.0)

    thread = threading.Thread(target=claim_and_stall)
    thread.start()
    assert stalled.wait(30)
    found = begun(store, "quick", limit=2) + begun(store, "quick", limit=2)
    assert sorted(prompts(found)) == ["a", "b"]
    thread.join()
    assert all(store.finish(job, State.DONE).state is State.DONE for job in found)
    store.close()


@pytest.mark.parametrize("jump", [-10 * 86400.0, 10 * 86400.0])
def test_a_clock_that_is_set_leads_nothing_astray(
    store: Store, jump: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = store.submit(asked("first", key="k", body_hash="x", client="a"))
    (held,) = begun(store, own_name(), lease_s=30)
    waits = store.submit(asked("waits", client="a"))
    right = time.time
    monkeypatch.setattr(time, "time", lambda: right() + jump)
    assert store.sweep() == []
    assert store.renew(held, 30) is None
    assert store.submit(asked("first", key="k", body_hash="x", client="a")).id == first.id
    later = store.submit(asked("later", client="a"))
    assert first.id < waits.id < later.id
    assert prompts(store.jobs()) == ["later", "waits", "first"]
    assert prompts(begun(store, own_name(), limit=1)) == ["waits"]
    monkeypatch.undo()
    last = store.submit(asked("last", client="a"))
    assert later.id < last.id
    assert prompts(begun(store, own_name(), limit=9)) == ["later", "last"]
    assert store.finish(held, State.DONE).state is State.DONE
    (short,) = [store.submit(asked("short"))] and begun(store, own_name(), lease_s=0.05)
    time.sleep(0.1)
    assert store.sweep() == [short.id]  # and what must end does


def test_a_newer_schema_is_refused_and_left(address: str) -> None:
    Store.open(address).close()
    with other_connection(address) as execute:
        execute("UPDATE meta SET value = '3' WHERE name = 'schema_version'")
        if not address.startswith("sqlite"):
            execute("COMMIT")
    with pytest.raises(StoreTooNew, match="is of version '3', and this program knows up to 2"):
        Store.open(address)


def test_an_older_database_is_gone_on_with(address: str) -> None:
    store = Store.open(address)
    job = store.submit(asked("kept"))
    store.close()
    with other_connection(address) as execute:
        execute("DROP TABLE results")
        execute("UPDATE meta SET value = '1' WHERE name = 'schema_version'")
        if not address.startswith("sqlite"):
            execute("COMMIT")
    for _ in range(2):
        store = Store.open(address)
        assert prompts(store.jobs()) == ["kept"]
        assert store.results("nobody", limit=1) == []
        store.close()
    with other_connection(address) as execute:
        found = execute("SELECT value FROM meta WHERE name = 'schema_version'")
        assert found.fetchone()[0] == "2"
    assert job.id


def test_tables_of_another_program_are_left_alone(cluster: clusters.Cluster) -> None:
    address = cluster.database()
    with other_connection(address) as execute:
        execute("CREATE TABLE songs (title text)")  # in nobody's way
        execute("CREATE TABLE events (title text)")
        execute("COMMIT")
    with pytest.raises(InputError, match="tables of another program, such as 'events'"):
        Store.open(address)
    with other_connection(address) as execute:
        execute("DROP TABLE events")
        execute("COMMIT")
    Store.open(address).close()
    cluster.drop(address)


def test_the_driver_of_postgres_is_named_where_it_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(InputError, match=r'pip install "kakusan\[postgres\]"'):
        Store.open("postgresql://nobody@localhost/nothing")
