"""Whatever is done in whatever order, the store says what a few lines of Python say."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from kakusan.server.queue.errors import LeaseLost
from kakusan.server.queue.files import Files
from kakusan.server.queue.job import Job, State, Stop
from kakusan.server.queue.store import Store
from tests.server import clusters
from tests.server.queue.making import asked, begun, drawn

PRIORITIES = st.sampled_from([0, 10, 20])
ENDS = st.sampled_from([State.DONE, State.FAILED, State.CANCELLED])


@dataclass
class Expected:
    """What is known of a job."""

    state: State = State.QUEUED
    attempts: int = 0
    vain: int = 0
    stop: Stop | None = None
    pictures: set[int] = field(default_factory=set)
    fence: int = 0


class Machine(RuleBasedStateMachine):
    """Jobs of one client, in classes; leases that may end at any time."""

    ids = Bundle("ids")
    leases = Bundle("leases")
    address: ClassVar[Callable[[str], str]]  # of a new database; told a folder

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.files = Files(Path(self.folder.name))
        self.store = Store.open(type(self).address(self.folder.name), self.files)
        self.expected: dict[str, Expected] = {}
        self.order: dict[int, list[str]] = {0: [], 10: [], 20: []}
        self.last = 0

    def teardown(self) -> None:
        self.store.close()
        self.folder.cleanup()

    def waits(self, id: str) -> bool:
        return id in self.expected and self.expected[id].state is State.QUEUED

    def end(self, id: str, state: State) -> None:
        expected = self.expected[id]
        expected.state = state
        if state is State.CANCELLED:
            expected.pictures.clear()

    def back(self, id: str, otherwise: State = State.QUEUED) -> None:
        """A worker holds it no more."""
        expected = self.expected[id]
        if expected.stop is None:
            self.end(id, otherwise)
        elif expected.stop is Stop.INTERRUPT and expected.pictures:
            self.end(id, State.DONE)
        else:
            self.end(id, State.CANCELLED)

    @rule(target=ids, priority=PRIORITIES)
    def submit(self, priority: int) -> str:
        job = self.store.submit(asked(priority=priority))
        self.expected[job.id] = Expected()
        self.order[priority].append(job.id)
        return job.id

    @rule(target=leases, limit=st.integers(1, 3), ends=st.booleans())
    def claim(self, limit: int, ends: bool) -> object:
        # an owner of its own each time: a suspect goes alone, and that is tested elsewhere
        owner = f"worker {self.store.last_event()}"
        found = begun(self.store, owner, limit=limit, lease_s=-1.0 if ends else 1000.0)
        waiting = [id for p in (20, 10, 0) for id in self.order[p] if self.waits(id)]
        alone = next((n for n, id in enumerate(waiting) if self.expected[id].vain >= 2), limit)
        assert [job.id for job in found] == waiting[: max(1, min(limit, alone))]
        for job in found:
            expected = self.expected[job.id]
            expected.state = State.RUNNING
            expected.attempts += 1
            expected.vain += 1
            expected.fence += 1
            expected.stop = None
        return multiple(*found)

    def held(self, job: Job) -> bool:
        expected = self.expected.get(job.id)
        return (
            expected is not None and expected.state is State.RUNNING and expected.fence == job.fence
        )

    @rule(job=leases)
    def renew(self, job: Job) -> None:
        if not self.held(job):
            with pytest.raises(LeaseLost):
                self.store.renew(job, 1000.0)
            return
        assert self.store.renew(job, 1000.0) is self.expected[job.id].stop

    @rule(job=leases, index=st.integers(0, 2))
    def add_picture(self, job: Job, index: int) -> None:
        picture = drawn(self.files, job, index)
        if not self.held(job):
            with pytest.raises(LeaseLost):
                self.store.add_picture(job, picture)
            return
        self.store.add_picture(job, picture)
        self.expected[job.id].pictures.add(index)
        self.expected[job.id].vain = 1

    @rule(job=consumes(leases), state=ENDS)
    def finish(self, job: Job, state: State) -> None:
        expected = self.expected.get(job.id)
        if not self.held(job):
            over = expected is not None and expected.state.is_final
            if not over or expected.fence != job.fence:  # type: ignore[union-attr]
                with pytest.raises(LeaseLost):
                    self.store.finish(job, state)
            return
        self.end(job.id, State.CANCELLED if self.expected[job.id].stop is Stop.CANCEL else state)
        assert self.store.finish(job, state).state is self.expected[job.id].state

    @rule(job=consumes(leases), fails=st.booleans())
    def release(self, job: Job, fails: bool) -> None:
        if not self.held(job):
            return
        expected = self.expected[job.id]
        self.store.release(job, "an error" if fails else None)
        if not fails:
            expected.attempts -= 1
            expected.vain -= 1
        self.back(job.id, State.FAILED if fails and expected.vain >= 3 else State.QUEUED)

    @rule()
    def sweep(self) -> None:
        running = {id for id, each in self.expected.items() if each.state is State.RUNNING}
        swept = self.store.sweep()
        assert set(swept) <= running
        for id in swept:
            self.back(id, State.FAILED if self.expected[id].vain >= 3 else State.QUEUED)

    @rule(id=ids, how=st.sampled_from(list(Stop)))
    def stop(self, id: str, how: Stop) -> None:
        expected, found = self.expected.get(id), self.store.stop(id, how)
        assert (found is None) == (expected is None)
        if expected is not None and not expected.state.is_final:
            expected.stop = Stop.CANCEL if expected.stop is Stop.CANCEL else how
            if expected.state is State.QUEUED:
                self.end(id, State.CANCELLED)

    @rule(id=ids, to=st.sampled_from(["first", "last"]))
    def move(self, id: str, to: str) -> None:
        self.store.move(id, to=to)  # type: ignore[arg-type]
        if self.waits(id):
            own = next(each for each in self.order.values() if id in each)
            own.remove(id)
            # a job that runs keeps its place, in case it comes back
            own.insert(0 if to == "first" else len(own), id)

    @rule(id=ids, priority=PRIORITIES)
    def set_priority(self, id: str, priority: int) -> None:
        self.store.move(id, priority=priority)
        if self.waits(id) and id not in self.order[priority]:
            next(each for each in self.order.values() if id in each).remove(id)
            self.order[priority].append(id)

    @rule(id=ids)
    def delete(self, id: str) -> None:
        assert self.store.delete(id) == (id in self.expected)
        self.expected.pop(id, None)
        self.order = {p: [each for each in own if each != id] for p, own in self.order.items()}

    @rule(id=ids)
    def place(self, id: str) -> None:
        waiting = [each for p in (20, 10, 0) for each in self.order[p] if self.waits(each)]
        assert self.store.place(id) == (waiting.index(id) if id in waiting else None)

    @invariant()
    def agrees(self) -> None:
        found = {job.id: job for job in self.store.jobs(limit=1000)}
        assert found.keys() == self.expected.keys()
        for id, expected in self.expected.items():
            job = found[id]
            assert job.state is expected.state
            assert (job.attempts, job.fence) == (expected.attempts, expected.fence)
            assert {picture.index for picture in job.pictures} == expected.pictures
            assert (job.finished is not None) == job.state.is_final
            for picture in job.pictures:
                assert self.files.picture(picture.file)
        counts = self.store.counts()
        for state in State:
            assert counts[state] == sum(each.state is state for each in self.expected.values())
        for event in self.store.events(after=self.last):
            assert event.seq > self.last
            self.last = event.seq


def check(address: Callable[[str], str], examples: int) -> None:
    kind = type("Checked", (Machine,), {"address": staticmethod(address)})
    quick = settings(
        max_examples=examples,
        stateful_step_count=25,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.too_slow],  # a busy machine is no fault
    )
    run_state_machine_as_test(kind, settings=quick)


def test_a_file_does_as_the_model_does() -> None:
    check(lambda folder: f"sqlite:///{folder}/queue.db", 8)


def test_postgres_does_as_the_model_does(cluster: clusters.Cluster) -> None:
    made: list[str] = []

    def address(_: str) -> str:
        for old in made:  # its store is closed by now
            cluster.drop(old)
        made[:] = [cluster.database()]
        return made[0]

    check(address, 5)
