"""Rows of tables in the queue: for their own workers, out of the way of what people ask for."""

from kakusan.server.queue.claiming import RowsOf
from kakusan.server.queue.job import ROWS, Job, State, Submission
from kakusan.server.queue.store import Store
from kakusan.server.queue.sweeping import MOST_ROW_ENDS
from tests.server.queue.making import asked, begun, prompts


def row(prompt: str, client: str = "batch-1") -> Submission:
    return asked(prompt, client=client, dialect=ROWS, priority=0)


def begun_rows(store: Store, limit: int = 1, **values: object) -> list[Job]:
    return begun(store, limit=limit, rows=RowsOf(**values))  # type: ignore[arg-type]


def test_rows_and_jobs_are_for_workers_of_their_own(store: Store) -> None:
    store.submit_all([row("r1"), asked("a"), row("r2"), row("other", "batch-2"), asked("b")])
    assert prompts(begun(store, limit=9)) == ["a", "b"]
    assert prompts(begun_rows(store, 9, only="batch-2")) == ["other"]
    assert begun_rows(store, 9, but=["batch-1"]) == []
    assert prompts(begun_rows(store, 9)) == ["r1", "r2"]
    assert begun_rows(store, 9) == []


def test_rows_do_not_count_among_what_may_wait(store: Store) -> None:
    store.submit_all([row(f"r{n}") for n in range(5)])
    assert store.waiting_since() is None
    assert store.submit(asked("a"), most_waiting=1).state is State.QUEUED
    assert store.waiting_since() is not None


def test_what_became_of_a_row_is_kept_until_it_is_taken(store: Store) -> None:
    jobs = store.submit_all([row("a"), row("b"), row("c"), row("waits"), row("x", "batch-2")])
    data = bytes(range(256)) * 3000
    for state, result in ((State.DONE, data), (State.FAILED, b""), (State.FAILED, None)):
        (held,) = begun_rows(store, only="batch-1")
        store.finish(held, state, None, result)
    found = store.results("batch-1", limit=9)
    assert [(each.id, each.state, each.data) for each in found] == [
        (jobs[0].id, State.DONE, data),
        (jobs[1].id, State.FAILED, b""),
        (jobs[2].id, State.FAILED, None),
    ]
    assert len(store.results("batch-1", limit=2)) == 2
    assert store.results("batch-2", limit=9) == []
    assert store.unfinished("batch-1") == {jobs[3].id: False}
    assert store.delete(*(job.id for job in jobs)) == 5
    assert store.results("batch-1", limit=9) == []
    assert [event for event in store.events(after=0) if event.kind == "deleted"] == []


def test_a_row_given_back_keeps_no_result(store: Store) -> None:
    job = store.submit(row("a"))
    (held,) = begun(store, lease_s=-1, rows=RowsOf())
    assert store.sweep() == [job.id]
    (other,) = begun_rows(store)
    store.finish(other, State.DONE, None, b"new")
    assert held.fence < other.fence
    assert [each.data for each in store.results("batch-1", limit=9)] == [b"new"]


def test_a_row_that_ends_its_worker_three_times_has_failed(store: Store) -> None:
    job = store.submit(row("a"))
    for attempt in range(MOST_ROW_ENDS):
        (held,) = begun(store, lease_s=-1, rows=RowsOf())
        assert held.attempts == attempt + 1
        store.renew(held, -1, step=1, steps=1)
        assert store.unfinished("batch-1") == {job.id: True}
        assert store.sweep() == [job.id]
    (found,) = store.results("batch-1", limit=1)
    assert (found.state, found.attempts, found.data) == (State.FAILED, MOST_ROW_ENDS, None)


def test_a_row_that_was_not_begun_is_to_blame_for_nothing(store: Store) -> None:
    job = store.submit(row("a"))
    for _ in range(2 * MOST_ROW_ENDS):
        begun(store, lease_s=-1, rows=RowsOf())
        assert store.sweep() == [job.id]
    (held,) = begun(store, lease_s=-1, rows=RowsOf())
    store.renew(held, -1, step=1, steps=1)
    store.sweep()
    for _ in range(2 * MOST_ROW_ENDS):  # having been begun before is no reason either
        assert begun(store, lease_s=-1, rows=RowsOf())[0].attempts == 2
        assert store.sweep() == [job.id]
    assert store.unfinished("batch-1") == {job.id: False}
