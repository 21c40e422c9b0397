"""Whose turn it is, on paper: classes, clients, waiting, models, and jobs that go alone."""

import math
from collections import Counter
from collections.abc import Sequence

import pytest

from kakusan.server.queue.job import Priority
from kakusan.server.queue.turns import (
    LIFT_S,
    PATIENCE_S,
    Turns,
    Waiting,
    chosen,
    effective,
)


def job(
    id: str,
    client: str = "a",
    *,
    priority: int = Priority.QUEUED,
    since: float = 0.0,
    other: bool = False,
    suspect: bool = False,
) -> Waiting:
    position = float(id[1:])
    return Waiting(
        id=id,
        client=client,
        priority=priority,
        position=position,
        since=since,
        created=since,
        other=other,
        suspect=suspect,
    )


def order(
    waiting: Sequence[Waiting],
    turns: Turns | None = None,
    *,
    limit: int = 99,
    now: float = 1.0,
    idle: bool = True,
    others: float = -math.inf,
) -> str:
    found = chosen(waiting, turns or Turns(), limit=limit, now=now, idle=idle, others=others)
    return " ".join(each.id for each in found)


def test_one_clients_jobs_go_by_position() -> None:
    assert order([job("a3"), job("a1"), job("a2")]) == "a1 a2 a3"
    assert order([job("a3"), job("a1"), job("a2")], limit=2) == "a1 a2"
    assert order([]) == ""


def test_classes_go_first() -> None:
    jobs = [
        job("a1", priority=Priority.BATCH),
        job("a2"),
        job("a3", priority=Priority.WAITING),
        job("a4", priority=15),
    ]
    assert order(jobs) == "a3 a4 a2 a1"


def test_clients_take_turns() -> None:
    jobs = [job(f"a{n}") for n in range(4)] + [job("b8", "b"), job("b9", "b"), job("c7", "c")]
    assert order(jobs) == "a0 c7 b8 a1 b9 a2 a3"


def test_who_has_least_running_goes_first_then_who_was_served_longest_ago() -> None:
    jobs = [job("a1", "a"), job("b2", "b"), job("c3", "c")]
    turns = Turns(running={"a": 2, "b": 1, "c": 1}, last={"a": 1, "b": 3, "c": 2})
    assert order(jobs, turns) == "c3 b2 a1"
    assert turns.running == {"a": 3, "b": 2, "c": 2}
    assert turns.last == {"c": 4, "b": 5, "a": 6}


def test_no_flood_of_one_client_starves_another() -> None:
    turns, served = Turns(), Counter[str]()
    for n in range(50):  # one worker, one job at a time
        waiting = [job(f"a{n}"), job(f"b{1000 + n}", "b")]
        (found,) = chosen(waiting, turns, limit=1, now=float(n), idle=True)
        served[found.client] += 1
        turns.running.clear()
    assert served == {"a": 25, "b": 25}


@pytest.mark.parametrize(
    ("priority", "waited", "expected"),
    [
        (Priority.BATCH, 0, 0),
        (Priority.BATCH, LIFT_S - 1, 0),
        (Priority.BATCH, LIFT_S, 10),
        (Priority.BATCH, 99 * LIFT_S, 20),
        (Priority.WAITING, 99 * LIFT_S, 20),
        (100, 99 * LIFT_S, 100),
        (15, LIFT_S, 20),
        (-1000, 200 * LIFT_S, 20),
        (Priority.QUEUED, -(10**9), 10),  # the clock was set back
    ],
)
def test_waiting_lifts(priority: int, waited: float, expected: int) -> None:
    assert effective(priority, waited) == expected


def test_an_old_batch_gets_a_turn_now_and_then_and_no_more() -> None:
    batch = [job(f"a{n}", priority=Priority.BATCH) for n in range(5)]
    callers = [job(f"a{n}", priority=Priority.WAITING, since=5000.0) for n in range(100, 105)]
    assert order(batch + callers, now=5000.0, limit=4) == "a0 a100 a101 a102"
    assert order(callers + batch, now=100.0, limit=4) == "a100 a101 a102 a103"


def test_the_loaded_model_goes_first_while_the_other_has_not_waited_long() -> None:
    jobs = [job("a1", other=True), job("a2"), job("b3", "b", other=True), job("b4", "b")]
    assert order(jobs, now=1.0) == "a2 b4 a1 b3"
    # each has waited: clients take turns again, and then its next one is new
    assert order(jobs, now=PATIENCE_S, limit=2) == "a1 b3"
    assert order([job("a1", other=True), job("a2", priority=Priority.BATCH)]) == "a1 a2"


def test_a_suspect_goes_alone() -> None:
    jobs = [job("a1", suspect=True), job("a2"), job("a3", suspect=True)]
    assert order(jobs) == "a1"
    assert order(jobs, idle=False) == ""
    assert order(jobs[1:]) == "a2"
    assert order([jobs[1], job("b1", "b"), jobs[2]]) == "b1 a2"


def test_jobs_of_another_model_need_a_priority_to_interrupt() -> None:
    jobs = [job("a1", other=True), job("a2", priority=Priority.BATCH, other=True), job("a3")]
    assert order(jobs, now=PATIENCE_S) == "a1 a3 a2"
    assert order(jobs, now=PATIENCE_S, others=Priority.QUEUED) == "a1 a3"
    assert order(jobs, now=LIFT_S, others=Priority.QUEUED) == "a1 a2 a3"
    assert order(jobs, now=LIFT_S, others=math.inf) == "a3"


def test_an_old_job_of_another_model_is_not_passed_over_for_ever() -> None:
    served = [job("a1", other=True), *(job(f"a{n}") for n in range(2, 9))]
    late = [Waiting(**{**vars(each), "since": 100.0}) for each in served]  # one was just begun
    assert order(late, now=101.0, limit=2) == "a1 a2"
