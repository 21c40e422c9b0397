"""Two processes on one Postgres, as two stores: what one writes, the other's callers hear of."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi")

from kakusan.server.queue.files import Files
from kakusan.server.queue.job import Event, State, Stop, Submission
from kakusan.server.queue.store import Store
from kakusan.server.service import Service
from kakusan.server.settings import Settings
from kakusan.server.stream import Progressed
from kakusan.server.worker.catalog import Catalog
from kakusan.server.worker.leases import Leases
from kakusan.server.worker.running import Running
from kakusan.server.worker.watching import Board
from tests.server import clusters

ASKED = Submission(request={"prompt": "a cat", "seed": 1}, client="local")


@pytest.fixture(scope="module")
def cluster() -> Iterator[clusters.Cluster]:
    if (reason := clusters.missing()) is not None:
        pytest.skip(reason)
    made = clusters.Cluster()
    yield made
    made.remove()


@pytest.fixture
def stores(cluster: clusters.Cluster, tmp_path: Path) -> Iterator[tuple[Store, Store]]:
    address, files = cluster.database(), Files(tmp_path)
    ours, theirs = Store.open(address, files), Store.open(address, files)
    yield ours, theirs
    ours.close()
    theirs.close()


def until(holds: Any, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_store_tells_of_what_another_wrote(stores: tuple[Store, Store]) -> None:
    ours, theirs = stores
    heard = list[str]()
    ours.on_change.append(heard.append)
    job = theirs.submit(ASKED)
    until(lambda: job.id in heard)
    heard.clear()
    assert theirs.stop(job.id, Stop.CANCEL)
    until(lambda: job.id in heard)


def test_a_job_that_another_draws_is_waited_for_and_watched(
    stores: tuple[Store, Store], tmp_path: Path
) -> None:
    ours, theirs = stores
    service = Service(ours, Files(tmp_path), Catalog.of(), Board(), Settings(data=tmp_path))

    async def draw() -> None:
        (held,) = await asyncio.to_thread(theirs.claim, "other", limit=1, lease_s=60.0)
        for step in (1, 2):
            await asyncio.sleep(1.3)
            await asyncio.to_thread(theirs.renew, held, 60.0, step=step, steps=2)
        await asyncio.sleep(1.3)
        await asyncio.to_thread(theirs.finish, held, State.DONE)

    async def watch() -> tuple[float, list[str], list[int]]:
        async with service:
            job = await service.submit(ASKED)
            task = asyncio.create_task(draw())
            ended = asyncio.create_task(service.finished(job.id, timeout=30))
            kinds, steps = list[str](), list[int]()
            async for each in service.events(job=job.id):
                if isinstance(each, Event):
                    kinds.append(each.kind)
                elif isinstance(each, Progressed):
                    steps.append(each.step)
            await task
            began = time.monotonic()
            assert (await ended).state is State.DONE
            assert [each.id for each in await service.jobs(state=State.DONE)] == [job.id]
            return time.monotonic() - began, kinds, steps

    waited, kinds, steps = asyncio.run(watch())
    assert kinds == ["queued", "started", "done"]
    assert steps == [1, 2]
    assert waited < 2.0


def test_who_draws_hears_soon_that_another_stops_it(stores: tuple[Store, Store]) -> None:
    ours, theirs = stores
    job = theirs.submit(ASKED)
    running = Running(*ours.claim("ours", limit=1, lease_s=60.0))
    leases = Leases(ours, lambda: [running], 60.0)
    leases.start()
    try:
        assert theirs.stop(job.id, Stop.CANCEL)
        until(lambda: running.stop is Stop.CANCEL, 8.0)
    finally:
        leases.end()
        leases.join(10)
