"""Killed at any moment, again and again: what was accepted is there, once, and every file whole."""

import hashlib
import itertools
import os
import random
import signal
import sys
import time
from collections import Counter
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from kakusan.server.queue.files import Files
from kakusan.server.queue.job import State
from kakusan.server.queue.owners import own_name
from kakusan.server.queue.retention import Limits
from kakusan.server.queue.store import Store
from tests.forking import fork_server
from tests.server.queue.making import asked, begun, drawn

PICTURES = 2  # of each job
PRELOADED = [
    "tests.server.queue.test_killed",
    "sqlalchemy.dialects.sqlite.pysqlite",
    "sqlalchemy.dialects.postgresql.psycopg",
    "psycopg",
]


def serve(address: str, folder: str, told: str, round: int, log: str) -> None:
    """Submit, draw and finish without end, and tell of each job once it was accepted."""
    answers = os.open(told, os.O_WRONLY | os.O_APPEND)
    errors = os.open(log, os.O_WRONLY | os.O_APPEND)
    os.dup2(errors, 2)
    files = Files(Path(folder))
    store = Store.open(address, files, most_ends=10**6)
    store.sweep()
    for number in itertools.count():
        key = f"{round}/{number}"
        job = store.submit(asked(key, key=key, body_hash="x"))
        os.write(answers, f"{key} {job.id}\n".encode())
        for held in begun(store, own_name(), limit=2):
            files.put_latents(held.id, os.urandom(5000))
            for index in range(PICTURES):
                store.add_picture(held, drawn(files, held, index, bytes([index]) * 20_000))
            if number % 3 != 0:  # some are left to the next
                store.finish(held, State.DONE)


def serve_from(begun: Event, address: str, folder: str, told: str, round: int, log: str) -> None:
    begun.set()
    serve(address, folder, told, round, log)


def killed_rounds(address: str, folder: Path, rounds: int, longest: float) -> dict[str, str]:
    """Ids of accepted jobs by their keys, after so many processes that were killed."""
    told, log = folder / "told", folder / "log"
    told.touch()
    log.touch()
    context = fork_server(*PRELOADED)
    chance = random.Random(17)
    for round in range(rounds):
        begun = context.Event()
        process = context.Process(
            target=serve_from, args=(begun, address, str(folder), str(told), round, str(log))
        )
        process.start()
        assert process.pid is not None
        assert begun.wait(60)  # a busy machine imports for a while
        time.sleep(chance.uniform(0.02, longest))
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        assert process.exitcode == -signal.SIGKILL, log.read_text()
        process.close()
    assert log.read_text() == ""
    return dict(line.split() for line in told.read_text().splitlines())


@pytest.mark.skipif(sys.platform != "linux", reason="kills processes as Linux does")
@pytest.mark.parametrize("address", ["sqlite"], indirect=True)
def test_a_hundred_kills_lose_nothing(address: str, tmp_path: Path) -> None:
    check_kills(address, tmp_path, 100, 0.25)


@pytest.mark.skipif(sys.platform != "linux", reason="kills processes as Linux does")
@pytest.mark.parametrize("address", ["postgres"], indirect=True)
def test_kills_of_workers_on_postgres_lose_nothing(address: str, tmp_path: Path) -> None:
    check_kills(address, tmp_path, 20, 0.5)


def check_kills(address: str, folder: Path, rounds: int, longest: float) -> None:
    accepted = killed_rounds(address, folder, rounds, longest)
    assert len(accepted) > rounds // 5  # they had time to do something
    files = Files(folder)
    store = Store.open(address, files, most_ends=10**6)
    assert store.notices == ()
    store.sweep()
    assert store.counts()[State.RUNNING] == 0
    for key, id in accepted.items():  # whoever did not hear the answer asks again
        assert store.submit(asked(key, key=key, body_hash="x")).id == id
    while held := begun(store, limit=50):
        for job in held:
            for index in range(PICTURES):
                store.add_picture(job, drawn(files, job, index, bytes([index]) * 20_000))
            store.finish(job, State.DONE)
    jobs = store.jobs(limit=10**6)
    assert set(accepted.values()) <= {job.id for job in jobs}
    assert len({job.submission.key for job in jobs}) == len(jobs)
    for job in jobs:
        assert job.state is State.DONE
        assert [picture.index for picture in job.pictures] == list(range(PICTURES))
        for picture in job.pictures:
            data = files.picture(picture.file).read_bytes()
            assert hashlib.sha256(data).hexdigest() == picture.sha256
    ends = Counter(
        event.job for event in store.events(after=0, limit=10**7) if event.kind == "done"
    )
    assert ends == {job.id: 1 for job in jobs}
    for left in (folder / "latents").iterdir():  # of a kill between the end and its removal
        os.utime(left, (0, 0))
    store.tidy(Limits())
    assert list((folder / "latents").iterdir()) == []
    store.close()
