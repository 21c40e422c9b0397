"""What has ended is kept within limits, for each client; rows go first, files after."""

import os
import time
from pathlib import Path

import pytest
from sqlalchemy import update

from kakusan.errors import InputError
from kakusan.server.queue import retention
from kakusan.server.queue.files import Files
from kakusan.server.queue.job import Job, State
from kakusan.server.queue.retention import Ended, Limits, beyond
from kakusan.server.queue.schema import idempotency
from kakusan.server.queue.store import Store
from tests.server.queue.making import asked, begun, ended

NONE = Limits(most_jobs=None)


def kept(newest_first: list[Ended], limits: Limits, now: float = 10_000.0) -> str:
    doomed = beyond(newest_first, limits, now)
    return "".join(job.id for job in newest_first if job.id not in doomed)


def test_limits_are_each_clients_own() -> None:
    jobs = [
        Ended("a", "x", 900.0, 10),
        Ended("b", "y", 800.0, 500),
        Ended("c", "x", 700.0, 10),
        Ended("d", "x", 600.0, 10),
        Ended("e", "y", 500.0, 10),
    ]
    assert kept(jobs, NONE) == "abcde"
    assert kept(jobs, Limits(most_jobs=1)) == "ab"
    assert kept(jobs, Limits(most_jobs=2)) == "abce"
    assert kept(jobs, Limits(most_bytes=20)) == "abc"  # the newest stays, however large
    assert kept(jobs, Limits(most_bytes=0)) == "ab"
    assert kept(jobs, Limits(oldest_s=9250.0)) == "ab"
    assert kept(jobs, Limits(most_jobs=0, oldest_s=0), now=930.0) == "a"  # for a minute
    assert kept(jobs, Limits(oldest_s=0)) == ""


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "_YOUNG", -1.0)


@pytest.mark.usefixtures("hasty")
def test_old_jobs_go_with_their_files(store: Store, files: Files, tmp_path: Path) -> None:
    given = files.put_input(b"given")
    old: list[Job] = [ended(store, files, asked(inputs=(given,))) for _ in range(3)]
    new = ended(store, files)
    (running,) = [store.submit(asked())] and begun(store)
    waiting = store.submit(asked(key="k", body_hash="x"))
    assert store.tidy(Limits(most_jobs=2)) == 2
    assert [job.id for job in store.jobs()] == [waiting.id, running.id, new.id, old[2].id]
    for job in old[:2]:
        with pytest.raises(InputError):
            files.picture(job.pictures[0].file)
    assert files.picture(old[2].pictures[0].file)
    for path in tmp_path.rglob("*"):
        os.utime(path, (0, 0))
    store.tidy(NONE)
    assert files.input(given)  # one job still tells of it
    assert store.tidy(Limits(most_jobs=1)) == 1
    with pytest.raises(InputError):
        files.input(given)
    assert files.picture(new.pictures[0].file)
    assert store.tidy(Limits(most_jobs=0)) == 1
    assert store.counts()[State.QUEUED] == store.counts()[State.RUNNING] == 1


@pytest.mark.usefixtures("hasty")
def test_many_go_a_few_at_a_time(store: Store, files: Files, monkeypatch) -> None:
    monkeypatch.setattr(retention, "AT_ONCE", 3)
    for _ in range(8):
        ended(store, files)
    assert store.tidy(Limits(most_jobs=1)) == 7
    assert len(store.jobs()) == 1
    assert len([event for event in store.events(after=0) if event.kind == "deleted"]) == 7


def test_old_keys_and_old_news_are_forgotten(store: Store, monkeypatch) -> None:
    job = store.submit(asked(key="k", body_hash="x"))
    store.delete(store.submit(asked()).id)
    store.tidy(NONE)
    assert store.of_key("local", "k") == job
    assert store.events(after=0)[-1].kind == "deleted"
    monkeypatch.setattr(retention, "_DELETED_LIFE", -1.0)
    aged = update(idempotency).values(expires=time.time() - 60)
    store._write(lambda t: t.connection.execute(aged))
    store.tidy(NONE)
    assert store.of_key("local", "k") is None
    assert store.job(job.id) == job
    assert [event.kind for event in store.events(after=0)] == ["queued"]
