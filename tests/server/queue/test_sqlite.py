"""One file, one server: how it is opened, refused, moved aside, and shared by threads."""

import logging
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from kakusan.errors import InputError
from kakusan.server.queue.errors import StoreError, StoreTooNew
from kakusan.server.queue.job import State
from kakusan.server.queue.store import Store
from tests.server.queue.making import asked, begun

OPENS = """
import sys, time
from kakusan.server.queue.store import Store
Store.open(sys.argv[1])
print("open", flush=True)
time.sleep(60)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder that is new" / "queue #1?.db"


def opened(path: Path) -> Store:
    # as in any address, what means something else there is escaped: here, `?` ends the path
    return Store.open("sqlite:///" + str(path).replace("?", "%3F"), patience_s=1.0)


def edit(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def test_what_was_committed_is_there_again(path: Path) -> None:
    store = opened(path)
    jobs = [store.submit(asked(str(n))) for n in range(3)]
    store.close()
    store.close()
    with pytest.raises(StoreError, match="closed"):
        store.submit(asked())
    again = opened(path)
    assert again.jobs() == jobs[::-1]
    assert again.notices == ()
    assert not again.shared
    again.close()
    assert sorted(each.name for each in path.parent.iterdir()) == [path.name, f"{path.name}.lock"]


def test_commits_are_on_the_disk(path: Path) -> None:
    store = opened(path)

    def pragma(name: str) -> int:
        return store._write(lambda t: t.connection.exec_driver_sql(f"PRAGMA {name}").scalar())

    assert pragma("journal_mode") == "wal"
    assert pragma("synchronous") == 2  # FULL
    assert pragma("foreign_keys") == 1
    reading = store._read(lambda c: c.exec_driver_sql("PRAGMA wal_autocheckpoint").scalar())
    assert reading == 0
    with pytest.raises(StoreError, match="readonly"):
        store._read(lambda c: c.exec_driver_sql("DELETE FROM jobs"))
    store.close()


def test_a_second_server_is_refused_in_one_line(path: Path) -> None:
    store = opened(path)
    with pytest.raises(InputError) as refused:
        opened(path)
    text = str(refused.value)
    assert f"is in use by another server (process {os.getpid()}); stop that one" in text
    store.submit(asked())  # the first goes on
    store.close()


def test_a_killed_server_is_no_hindrance(tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path}/queue.db"
    process = subprocess.Popen(
        [sys.executable, "-c", OPENS, address], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "open\n"
    with pytest.raises(InputError, match=rf"in use by another server \(process {process.pid}\)"):
        Store.open(address)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    Store.open(address).close()


def test_what_ran_when_the_server_ended_waits_again_at_once(path: Path) -> None:
    store = opened(path)
    store.submit(asked())
    (held,) = begun(store, "by whatever name", lease_s=3600)
    store.close()
    again = opened(path)
    job = again.job(held.id)
    assert job is not None
    assert (job.state, job.attempts) == (State.QUEUED, 1)
    again.close()


@pytest.mark.parametrize("version", ["3", "999", "x", ""])
def test_a_newer_database_is_refused_and_left_as_it_is(path: Path, version: str) -> None:
    opened(path).close()
    edit(path, f"UPDATE meta SET value = '{version}'")
    before = path.read_bytes()
    with pytest.raises(StoreTooNew, match=rf"is of version '{version}', and .* up to 2; install"):
        opened(path)
    assert path.read_bytes() == before
    edit(path, "UPDATE meta SET value = '1'")
    opened(path).close()  # nothing holds it


def test_another_programs_database_is_refused(path: Path) -> None:
    path.parent.mkdir()
    for n, table in enumerate(("songs (title)", "jobs (title)", "meta (key, value)")):
        other = path.with_name(f"{n}.db")
        edit(other, f"CREATE TABLE {table}")
        before = other.read_bytes()
        with pytest.raises(InputError, match="holds tables of another program, such as '"):
            opened(other)
        assert other.read_bytes() == before


def junk(path: Path) -> None:
    path.write_bytes(b"no database at all " * 1000)


def torn(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[4096:40960] = os.urandom(40960 - 4096)
    path.write_bytes(data)


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


@pytest.mark.parametrize("damage", [junk, torn, cut])
def test_a_damaged_database_is_moved_aside_with_a_message(
    path: Path, damage, caplog: pytest.LogCaptureFixture
) -> None:
    store = opened(path)
    for n in range(100):
        store.submit(asked("x" * 500 + str(n)))
    store.close()
    damage(path)
    before = path.read_bytes()
    with caplog.at_level(logging.ERROR):
        store = opened(path)
    (notice,) = store.notices
    assert "is damaged or no database; it was moved to" in notice
    assert notice in caplog.text
    (aside,) = path.parent.glob("*.damaged-*")
    assert aside.name in notice
    assert aside.read_bytes() == before
    assert store.jobs() == []
    store.submit(asked())
    store.close()
    opened(path).close()


def test_an_empty_file_is_a_new_database(path: Path) -> None:
    path.parent.mkdir()
    path.touch()
    store = opened(path)
    store.submit(asked())
    store.close()


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("sqlite://", "SQLite needs a file: write sqlite:////folder/file.db"),
        ("sqlite:///:memory:", "SQLite needs a file"),
        ("queue.db", "the database's address is not understood"),
        ("", "the database's address is not understood"),
        ("mysql://host/name", "the database is sqlite:// or postgresql://, not 'mysql'"),
        ("sqlite:////proc/no/queue.db", "cannot be written"),
        ("postgresql://host:port/name", "the database's address is not understood"),
    ],
)
def test_a_bad_address_is_refused_in_one_line(address: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Store.open(address)


def test_a_folder_is_no_database(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be opened: unable to open database file"):
        Store.open(f"sqlite:///{tmp_path}")


def test_threads_that_wait_together_are_committed_together(path: Path) -> None:
    """Several hundred commits of their own would take seconds on a disk that keeps its word."""
    store = opened(path)
    commits: list[int] = []
    writer = store._database._writer  # type: ignore[attr-defined]
    own = writer._commit
    writer._commit = lambda batch: commits.append(len(batch)) or own(batch)

    def submit() -> None:
        for n in range(20):
            store.submit(asked(str(n)))

    threads = [threading.Thread(target=submit) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(commits) == 400
    assert len(commits) < 200
    assert store.counts()[State.QUEUED] == 400
    store.close()
