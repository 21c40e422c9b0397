"""Waiting jobs are given to workers: in order, each to one, and each worker what it can draw."""

import threading

import pytest

from kakusan.server.queue.job import Priority, State, Stop
from kakusan.server.queue.store import Store
from tests.server.queue.making import asked, begun, prompts


def test_jobs_begin_in_order_and_once(store: Store) -> None:
    for prompt in "abcd":
        store.submit(asked(prompt))
    first = begun(store, limit=3)
    assert prompts(first) == ["a", "b", "c"]
    assert {(job.state, job.attempts, job.fence) for job in first} == {(State.RUNNING, 1, 1)}
    assert all(job.started is not None and job.finished is None for job in first)
    assert prompts(begun(store, "other", limit=3)) == ["d"]
    assert begun(store, limit=3) == []
    assert begun(store, limit=0) == []


def test_classes_clients_and_positions_say_who_is_next(store: Store) -> None:
    for n in range(3):
        store.submit(asked(f"a{n}", client="a"))
    store.submit(asked("batch", client="b", priority=Priority.BATCH))
    store.submit(asked("b0", client="b"))
    last = store.submit(asked("b1", client="b"))
    store.submit(asked("caller", client="a", priority=Priority.WAITING))
    store.move(last.id, to="first")
    found = begun(store, limit=10)
    assert prompts(found) == ["caller", "b1", "a0", "b0", "a1", "a2", "batch"]


def test_clients_take_turns_over_many_claims(store: Store) -> None:
    for n in range(4):
        store.submit(asked(f"a{n}", client="a"))
    for n in range(3):
        store.submit(asked(f"b{n}", client="b"))
    order: list[str] = []
    while found := begun(store):
        order += prompts(found)
        store.finish(found[0], State.DONE)
    assert order == ["a0", "b0", "a1", "b1", "a2", "b2", "a3"]


def test_an_old_batch_is_lifted_over_a_new_caller(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(3):
        store.submit(asked(f"batch{n}", priority=Priority.BATCH))
    monkeypatch.setattr("kakusan.server.queue.turns.LIFT_S", 0.001)
    store.submit(asked("caller", priority=Priority.WAITING))
    assert prompts(begun(store, limit=3)) == ["batch0", "caller", "batch1"]


def test_a_worker_gets_what_it_can_draw_with(store: Store) -> None:
    for prompt, model in (("a", "x"), ("b", "y"), ("c", None), ("d", "x")):
        store.submit(asked(prompt, model=model))
    assert prompts(begun(store, models=["z"], limit=9)) == ["c"]
    assert prompts(begun(store, models=("y",), limit=9)) == ["b"]
    assert begun(store, models=[], limit=9) == []
    assert prompts(begun(store, models={"x", "y"}, limit=9)) == ["a", "d"]


def test_the_loaded_model_is_preferred_within_its_class(store: Store) -> None:
    for prompt, model in (("a", "x"), ("b", "y"), ("c", "x"), ("d", "y")):
        store.submit(asked(prompt, model=model))
    store.submit(asked("e", model="x", priority=Priority.WAITING))
    assert prompts(begun(store, limit=9, prefer="y")) == ["e", "b", "d", "a", "c"]


def test_a_job_given_back_goes_first_again(store: Store) -> None:
    for prompt in "abc":
        store.submit(asked(prompt))
    a, _ = begun(store, limit=2)
    store.release(a)
    assert store.place(a.id) == 0
    assert prompts(begun(store, limit=2)) == ["a", "c"]


def test_no_job_is_given_to_two_workers(store: Store) -> None:
    for n in range(60):
        store.submit(asked(str(n), client=f"client {n % 3}"))
    given: list[str] = []

    def work(owner: str) -> None:
        while found := begun(store, owner, limit=3):
            for job in found:
                given.append(job.id)
                store.finish(job, State.DONE)

    threads = [threading.Thread(target=work, args=(f"worker {n}",)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(given) == len(set(given))
    while found := begun(store, limit=60):  # a worker stops where others hold what is left
        given += [job.id for job in found]
    assert len(given) == 60


def test_a_job_that_ended_its_program_twice_runs_alone(store: Store) -> None:
    """So that it does not take others with it a third time."""
    for prompt in "abc":
        store.submit(asked(prompt))
    for _ in range(2):
        for job in begun(store, limit=2, lease_s=-1):
            assert job.state is State.RUNNING
        assert len(store.sweep()) == 2
    assert prompts(begun(store, limit=3)) == ["a"]
    assert begun(store, limit=3) == []  # nothing beside it
    assert prompts(begun(store, "other", limit=3)) == ["b"]
    a = store.jobs(state=State.RUNNING)[-1]
    assert a.submission.request["prompt"] == "a"
    store.renew(a, 30, step=1)  # further than ever before: no suspect any more
    assert prompts(begun(store, limit=3)) == ["c"]
    store.stop(a.id, Stop.CANCEL)
