"""Several processes share a Postgres: each job is drawn by one of them, and no event is missed."""

import time
from collections import Counter

from kakusan.server.queue.job import State
from kakusan.server.queue.owners import own_name
from kakusan.server.queue.store import Store
from tests.forking import fork_server
from tests.server import clusters
from tests.server.queue.making import asked, begun

PROCESSES, JOBS = 3, 12


def take_part(address: str, number: int) -> None:
    """Submit some jobs and draw whatever waits, until all have ended."""
    store = Store.open(address)
    for n in range(JOBS):
        # every process hands in the same keys, so that they race for them
        store.submit(asked(str(n), client="all", key=str(n), body_hash="x"))
        store.submit(asked(f"{number}/{n}", client=str(number)))
    while True:
        for job in begun(store, own_name(), limit=4):
            store.renew(job, 30, step=1, steps=1)
            store.finish(job, State.DONE)
        counts = store.counts()
        if counts[State.DONE] == JOBS * (PROCESSES + 1):
            break
    store.close()


def test_each_job_is_drawn_once(cluster: clusters.Cluster) -> None:
    address = cluster.database()
    context = fork_server()
    processes = [
        context.Process(target=take_part, args=(address, number)) for number in range(PROCESSES)
    ]
    for process in processes:  # at once: each wants to make the tables
        process.start()
    store = Store.open(address)
    assert store.shared
    seen: list[int] = []
    while any(process.is_alive() for process in processes):
        seen += [event.seq for event in store.events(after=seen[-1] if seen else 0)]
        time.sleep(0.01)
    for process in processes:
        process.join()
        assert process.exitcode == 0
        process.close()
    jobs = store.jobs(limit=10_000)
    assert len(jobs) == JOBS * (PROCESSES + 1)
    assert {(job.state, job.attempts, job.fence) for job in jobs} == {(State.DONE, 1, 1)}
    kinds = Counter(event.kind for event in store.events(after=0, limit=10_000))
    assert kinds == dict.fromkeys(("queued", "started", "done"), len(jobs))
    seen += [event.seq for event in store.events(after=seen[-1])]
    assert len(seen) == 3 * len(jobs)  # whoever read on meanwhile saw them all
    store.close()
    cluster.drop(address)
