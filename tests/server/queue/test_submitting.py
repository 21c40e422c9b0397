"""What is accepted is kept as it came, once for each key, and not beyond what may wait."""

import dataclasses
import threading
from pathlib import Path

import pytest

from kakusan.errors import InputError
from kakusan.server.queue.errors import KeyReused, QueueFull
from kakusan.server.queue.job import Priority, State, Submission
from kakusan.server.queue.store import Store
from kakusan.server.queue.submitting import KEY_LIFE
from tests.server.queue.making import asked, begun

ODD = "\x00 \ud800 \u2028 'ねこ' \U0001f431 %_\\ \x1b"


def test_a_job_is_kept_as_it_was_handed_in(store: Store, address: str) -> None:
    submission = Submission(
        request={"prompt": ODD, "seed": 2**63, "deep": [{"a": None}, 0.1]},
        inputs=("a" * 64, "b" * 64),
        client="ねこ",
        dialect="a1111",
        priority=Priority.WAITING,
        key=ODD,
        body_hash="c",
        note={"odd": ODD},
    )
    job = store.submit(submission)
    assert job.submission == submission
    assert (job.state, job.attempts, job.fence, job.step, job.stop) == (State.QUEUED, 0, 0, 0, None)
    assert store.job(job.id) == job
    assert store.of_key("ねこ", ODD) == job
    assert store.of_key("other", ODD) is None
    store.close()
    again = Store.open(address)
    assert again.job(job.id) == job
    again.close()


@pytest.mark.parametrize("id", ["", "x", ODD, "0" * 36, "../../etc/passwd", "a" * 10_000])
def test_no_other_text_is_the_id_of_a_job(store: Store, id: str) -> None:
    store.submit(asked())
    assert store.job(id) is None
    assert store.place(id) is None
    assert store.move(id, to="first") is None
    assert not store.delete(id)


def test_the_same_key_and_body_is_the_same_job(store: Store) -> None:
    first = store.submit(asked(key="k", body_hash="x"))
    assert store.submit(asked(key="k", body_hash="x")) == first
    assert store.submit(asked(key="k", body_hash="x", client="other")).id != first.id
    assert store.submit(asked(key="l", body_hash="x")).id != first.id
    assert store.submit(asked()).id != store.submit(asked()).id
    with pytest.raises(KeyReused, match=rf"'k' stands for another request of yours .*{first.id}"):
        store.submit(asked(key="k", body_hash="y"))
    assert store.counts()[State.QUEUED] == 5
    assert len(store.events(after=0)) == 5


def test_a_key_stands_for_its_job_however_far_that_is(store: Store) -> None:
    first = store.submit(asked(key="k", body_hash="x"))
    (held,) = begun(store)
    assert store.submit(asked(key="k", body_hash="x")).state is State.RUNNING
    store.finish(held, State.FAILED, "why")
    assert store.submit(asked(key="k", body_hash="x")).state is State.FAILED
    store.delete(first.id)
    assert store.submit(asked(key="k", body_hash="y")).id != first.id


def test_a_key_ends_after_a_day(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kakusan.server.queue.submitting.KEY_LIFE", -1.0)
    first = store.submit(asked(key="k", body_hash="x"))
    assert store.submit(asked(key="k", body_hash="y")).id != first.id
    assert KEY_LIFE == 24 * 3600


def test_a_key_is_one_job_however_many_hand_it_in_at_once(store: Store) -> None:
    found: list[str] = []

    def submit() -> None:
        found.extend(store.submit(asked(key=f"k{n}", body_hash="x")).id for n in range(5))

    threads = [threading.Thread(target=submit) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 40
    assert len(set(found)) == 5
    assert store.counts()[State.QUEUED] == 5


def test_no_more_wait_than_may(store: Store) -> None:
    kept = store.submit(asked(key="k"), most_waiting=2)
    store.submit(asked(), most_waiting=2)
    with pytest.raises(QueueFull, match="2 jobs wait already"):
        store.submit(asked(), most_waiting=2)
    assert store.submit(asked(key="k"), most_waiting=2) == kept
    begun(store)  # what runs does not wait
    store.submit(asked(), most_waiting=2)
    assert store.counts()[State.QUEUED] == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"client": ""},
        {"client": "a\0b"},
        {"client": "\ud800"},
        {"client": "x" * 201},
        {"dialect": ""},
        {"priority": 10**10},
        {"priority": -1001},
    ],
)
def test_what_no_database_would_take_is_refused(store: Store, changes: dict[str, object]) -> None:
    with pytest.raises(InputError):
        store.submit(dataclasses.replace(asked(), **changes))
    assert not store.jobs()


def test_a_request_may_be_large(store: Store) -> None:
    note = {"text": "ж" * 2_000_000}
    assert store.submit(asked("x" * 100_000, note=note)).submission.note == note


def test_ids_sort_by_age_even_after_a_start(store: Store, address: str, tmp_path: Path) -> None:
    ids = [store.submit(asked()).id for _ in range(20)]
    store.close()
    again = Store.open(address)
    ids += [again.submit(asked()).id for _ in range(5)]
    assert ids == sorted(ids)
    again.close()
