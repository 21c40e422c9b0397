"""A simulation of `kakusan batch` on many machines, by SimPy: seeded, so that it can be repeated.

What is modelled, and how, is said in docs/scale.md; `Times` are measured or given, never made up.
"""

import itertools
import math
import random
from collections import Counter, deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import simpy

from benchmarks.scale_model import (
    ATTEMPTS,
    CLAIMED,
    HANDED_IN,
    LEASE_S,
    LOOK_S,
    POLL_S,
    RENEWED_S,
    SWEEP_S,
    TAKEN,
    Fleet,
    Outcome,
    Times,
)

Wait = Generator[simpy.Event, Any, Any]


def simulate(times: Times, fleet: Fleet, seed: int = 0) -> Outcome:
    """Draw a table in simulated time."""
    return _Run(times, fleet, seed).outcome()


@dataclass
class _Worker:
    """One process that draws, and what it holds."""

    held: list[int] = field(default_factory=list[int])
    drawing: float | None = None  # since when
    telling: list[simpy.Process] = field(default_factory=list[simpy.Process])
    swept: float = -math.inf


class _Run:
    def __init__(self, times: Times, fleet: Fleet, seed: int) -> None:
        self._t, self._fleet, self._chance = times, fleet, random.Random(seed)
        self._env = simpy.Environment()
        self._database = simpy.Resource(self._env, fleet.processors)
        self._events = simpy.Resource(self._env, 1)
        self._storage = simpy.Resource(self._env, 1)
        self._queue = deque[int]()
        self._ended: list[deque[int]] = [deque() for _ in range(max(1, fleet.drivers))]
        self._running = 0
        self._begun = Counter[int]()
        self._bad = set[int]()
        if fleet.poison:
            self._bad = {n for n in range(fleet.rows) if self._chance.random() < fleet.poison}
        self._out = Outcome(workers=fleet.workers)
        self._left = fleet.rows
        self._over = self._env.event()

    def outcome(self) -> Outcome:
        fleet = self._fleet
        shares = [range(n, fleet.rows, fleet.drivers or 1) for n in range(fleet.drivers)]
        for number, rows in enumerate(shares):
            self._env.process(self._driver(number, rows))
        ends = dict(fleet.ends)
        for number in range(fleet.workers):
            worker = _Worker()
            if fleet.drivers:
                process = self._env.process(self._drawer(worker))
            else:
                process = self._env.process(self._shard(worker, deque(self._own(number))))
            self._env.process(self._death(process, ends.get(number)))
        self._env.process(self._watch())
        self._env.run(until=self._over)
        self._out.wall = self._env.now
        others = sum(self._out.spent.values())
        self._out.spent["waiting"] = self._out.wall * fleet.workers - others
        self._out.again = sum(each > 1 for row, each in self._begun.items() if row not in self._bad)
        return self._out

    def _own(self, number: int) -> range:
        """The rows of a shard."""
        if not self._fleet.parts:
            return range(number, self._fleet.rows, self._fleet.workers)
        begin = sum(self._fleet.parts[:number])
        return range(begin, begin + self._fleet.parts[number])

    def _watch(self) -> Wait:
        while True:
            yield self._env.timeout(1.0)
            self._out.depths.append(len(self._queue))

    def _death(self, process: simpy.Process, planned: float | None) -> Wait:
        """End a worker now and then; it begins again by itself."""
        if planned is not None:
            yield self._env.timeout(planned)
            if process.is_alive:
                process.interrupt()
            return
        while self._fleet.mtbf < math.inf:
            yield self._env.timeout(self._chance.expovariate(1 / self._fleet.mtbf))
            if not process.is_alive:
                return
            process.interrupt()

    # The queue's side

    def _call(self, kind: str, seconds: float, *, events: bool = False) -> Wait:
        """A call of the queue, of so many seconds where nobody else calls."""
        commit = min(self._t.commit, seconds) if events else 0.0
        computed = max(seconds * self._t.served, commit)
        self._out.calls[kind] += 1
        self._out.busy += computed
        yield self._env.timeout(seconds - computed)
        with self._database.request() as turn:
            yield turn
            yield self._env.timeout(computed - commit)
            if events:
                with self._events.request() as lock:
                    yield lock
                    yield self._env.timeout(commit)

    def _driver(self, number: int, rows: Sequence[int]) -> Wait:
        t, left = self._t, iter(rows)
        yield self._env.timeout(t.start)
        while window := list(itertools.islice(left, self._fleet.window)):
            yield self._env.timeout(t.read * len(window))
            waiting = len(window)
            for begin in range(0, len(window), HANDED_IN):
                some = window[begin : begin + HANDED_IN]
                each = t.hand_in + t.handed_in * len(self._queue)
                yield from self._call("hand in", each * len(some), events=True)
                self._queue.extend(some)
                waiting -= yield from self._results(number)
            while waiting:
                if (found := (yield from self._results(number))) == 0:
                    yield self._env.timeout(LOOK_S)
                waiting -= found

    def _results(self, number: int) -> Wait:
        """Take what has ended, until nothing has."""
        ended, count = self._ended[number], 0
        while True:
            some = [ended.popleft() for _ in range(min(TAKEN, len(ended)))]
            seconds = self._t.take * len(some) / TAKEN if some else self._t.look
            yield from self._call("take", seconds)
            if not some:
                return count
            for row in some:
                yield from self._keep(row)
            yield from self._call("forget", self._t.forget * len(some) / TAKEN)
            count += len(some)

    def _keep(self, row: int) -> Wait:
        if row not in self._bad:
            if self._fleet.writes < math.inf:
                with self._storage.request() as turn:
                    yield turn
                    yield self._env.timeout(1 / self._fleet.writes)
            yield self._env.timeout(self._t.keep)
            self._out.pictures += 1
        else:
            self._out.failed += 1
        self._left -= 1
        if self._left == 0:
            self._over.succeed()

    # The workers' side

    def _spend(self, on: str, wait: Wait) -> Wait:
        begin = self._env.now
        try:
            return (yield from wait)
        finally:
            self._out.spent[on] += self._env.now - begin

    def _wait(self, seconds: float) -> Wait:
        yield self._env.timeout(seconds)

    def _drawer(self, worker: _Worker) -> Wait:
        begin = 0.0 if self._fleet.ready else self._t.begin
        while True:
            try:
                yield from self._spend("starting", self._wait(begin))
                yield from self._turns(worker)
            except simpy.Interrupt:
                self._lost(worker)
                begin = self._t.begin
                yield from self._away()

    def _away(self) -> Wait:
        """Until the machine is back; it cannot end twice meanwhile."""
        end = self._env.now + self._fleet.away
        while (left := end - self._env.now) > 0:
            with suppress(simpy.Interrupt):
                yield from self._spend("starting", self._wait(left))

    def _turns(self, worker: _Worker) -> Wait:
        loaded = False
        while True:
            claimed = yield from self._spend("queue", self._claim(worker))
            if not claimed:
                yield self._env.timeout(POLL_S)
                continue
            if not loaded:
                yield from self._spend("starting", self._wait(self._t.load))
                loaded = True
            for some in _groups(claimed, self._fleet.together):
                yield from self._drawn(worker, some, self._renewed(worker, some))
                told = worker.telling[-1:]
                worker.telling.append(self._env.process(self._tell(worker, some, told)))
            yield from self._spend("queue", self._told(worker))

    def _told(self, worker: _Worker) -> Wait:
        yield worker.telling[-1]
        worker.telling.clear()

    def _claim(self, worker: _Worker) -> Wait:
        if self._env.now - worker.swept > SWEEP_S:
            worker.swept = self._env.now
            yield from self._call("sweep", self._t.sweep + self._t.running * self._running)
        for limit in (1, self._fleet.together * CLAIMED - 1):
            if self._fleet.together == 1 and worker.held:
                break
            seconds = self._t.ask + self._t.queued * len(self._queue)
            some = [self._queue.popleft() for _ in range(min(limit, len(self._queue)))]
            worker.held += some
            self._running += len(some)
            seconds += self._t.claim - self._t.ask if some else 0.0
            yield from self._call("claim", seconds, events=bool(some))
            if not some:
                break
        return list(worker.held)

    def _renewed(self, worker: _Worker, rows: Sequence[int]) -> int:
        """Renewals of leases while rows are drawn: of each at its begin, then of all in hand."""
        return len(rows) + int(self._t.picture * len(rows) / RENEWED_S) * len(worker.held)

    def _drawn(self, worker: _Worker, rows: Sequence[int], renewals: int = 0) -> Wait:
        """The time in which rows are drawn; those that end the process are tried again."""
        self._begun.update(rows)
        if renewals:
            self._out.calls["renew"] += renewals - 1
            self._env.process(self._call("renew", renewals * self._t.renew))
        good = sum(row not in self._bad for row in rows)
        seconds = self._t.picture * (len(rows) if good else 0)
        worker.drawing = self._env.now
        yield self._env.timeout(seconds)
        worker.drawing = None
        self._out.spent["drawing"] += seconds
        for _ in range((len(rows) - good) * ATTEMPTS):
            lost = self._t.picture * self._chance.random() + self._t.load
            yield from self._spend("lost", self._wait(lost))

    def _tell(self, worker: _Worker, rows: Sequence[int], before: list[simpy.Process]) -> Wait:
        """Tell the queue of rows that were drawn, while the next ones are."""
        with suppress(simpy.Interrupt):
            yield from before
            for row in rows:
                yield from self._call("finish", self._t.finish, events=True)
                worker.held.remove(row)
                self._running -= 1
                self._ended[row % max(1, self._fleet.drivers)].append(row)

    def _lost(self, worker: _Worker) -> None:
        """A worker has ended: its rows wait until somebody sees it."""
        if worker.drawing is not None:
            self._out.spent["lost"] += self._env.now - worker.drawing
        worker.drawing, worker.swept = None, -math.inf
        for each in worker.telling:
            if each.is_alive:
                each.interrupt()
        worker.telling.clear()
        if worker.held:
            self._env.process(self._expire(list(worker.held)))
        worker.held.clear()

    def _expire(self, rows: list[int]) -> Wait:
        """Until the lease has ended and another worker looks, each of which does so by and by."""
        look = SWEEP_S / self._fleet.workers
        yield self._env.timeout(look if self._fleet.same else LEASE_S + look)
        self._running -= len(rows)
        self._queue.extendleft(reversed(rows))

    # Shards, each with an engine of its own and without a queue

    def _shard(self, worker: _Worker, rows: deque[int]) -> Wait:
        read = self._t.read * self._fleet.rows
        while rows:
            try:
                begin = self._t.begin + self._t.load + read
                yield from self._spend("starting", self._wait(begin))
                while rows:
                    some = list(itertools.islice(rows, self._fleet.together))
                    yield from self._drawn(worker, some)
                    for row in some:
                        yield from self._spend("queue", self._keep(row))
                        rows.popleft()
            except simpy.Interrupt:
                self._lost(worker)
                yield from self._away()


def _groups(rows: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    for begin in range(0, len(rows), size):
        yield rows[begin : begin + size]
