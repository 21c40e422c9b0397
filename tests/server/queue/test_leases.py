"""A worker writes what it holds and nothing else; what nobody holds waits again, or has failed."""

import pytest

from kakusan.errors import InputError
from kakusan.server.queue.errors import LeaseLost
from kakusan.server.queue.files import Files
from kakusan.server.queue.job import State, Stop
from kakusan.server.queue.store import Store
from kakusan.server.queue.sweeping import MOST_ENDS
from tests.server.queue.making import asked, begun, drawn, prompts


def test_a_worker_tells_how_far_it_is(store: Store) -> None:
    job = store.submit(asked())
    (held,) = begun(store)
    assert store.renew(held, 30) is None
    assert store.renew(held, 30, step=3, steps=40) is None
    found = store.job(job.id)
    assert found is not None
    assert (found.step, found.steps) == (3, 40)
    done = store.finish(held, State.DONE)
    assert (done.state, done.step, done.steps, done.error) == (State.DONE, 40, 40, None)
    assert done.finished is not None
    assert done.started is not None
    assert done.finished >= done.started >= done.created


def test_a_picture_is_kept_once(store: Store, files: Files) -> None:
    store.submit(asked())
    (held,) = begun(store)
    first, other = drawn(files, held), drawn(files, held, data=b"drawn again")
    store.add_picture(held, first)
    store.add_picture(held, first)
    store.add_picture(held, other)
    second = drawn(files, held, index=1)
    store.add_picture(held, second)
    assert store.finish(held, State.DONE).pictures == (first, second)
    assert files.picture(first.file).read_bytes() == b"a picture"
    with pytest.raises(InputError):
        files.picture(other.file)  # without a row, so without a file
    assert [event.kind for event in store.events(after=0)].count("picture") == 2


def test_a_failed_job_keeps_what_it_has(store: Store, files: Files) -> None:
    store.submit(asked())
    (held,) = begun(store)
    picture = drawn(files, held)
    store.add_picture(held, picture)
    failed = store.finish(held, State.FAILED, "x" * 5000)
    assert failed.pictures == (picture,)
    assert failed.error is not None
    assert len(failed.error) == 1000


def test_who_holds_an_older_lease_writes_nothing(store: Store, files: Files) -> None:
    job = store.submit(asked())
    (old,) = begun(store, lease_s=-1)
    assert store.sweep() == [job.id]
    (new,) = begun(store, "other")
    assert (new.id, new.fence, new.attempts) == (old.id, 2, 2)
    picture = drawn(files, old)
    for late in (
        lambda: store.renew(old, 30),
        lambda: store.add_picture(old, picture),
        lambda: store.finish(old, State.DONE),
        lambda: store.release(old),
        lambda: store.release(old, "an error"),
    ):
        with pytest.raises(LeaseLost, match=f"job {job.id} is held by another worker"):
            late()
    assert store.job(job.id) == new
    store.finish(new, State.DONE)
    with pytest.raises(LeaseLost):
        store.finish(old, State.FAILED, "late")
    found = store.job(job.id)
    assert found is not None
    assert found.state is State.DONE


def test_a_lease_that_ended_is_good_until_it_is_taken_back(store: Store) -> None:
    store.submit(asked())
    (held,) = begun(store, lease_s=-1)
    assert store.renew(held, 30) is None
    assert store.sweep() == []
    assert store.finish(held, State.DONE).state is State.DONE
    assert store.sweep() == []


def test_after_its_end_nothing_is_written(store: Store, files: Files) -> None:
    store.submit(asked())
    (held,) = begun(store)
    done = store.finish(held, State.DONE)
    assert store.finish(held, State.DONE) == done  # the answer was lost, and it was asked again
    with pytest.raises(LeaseLost):
        store.add_picture(held, drawn(files, held))
    with pytest.raises(LeaseLost):
        store.renew(held, 30)
    store.release(held)  # changes nothing
    with pytest.raises(InputError, match="not as running"):
        store.finish(held, State.RUNNING)
    assert store.job(held.id) == done


def test_a_job_given_back_was_not_begun(store: Store) -> None:
    job = store.submit(asked())
    for _ in range(5):
        (held,) = begun(store)
        store.release(held)
        store.release(held)  # once more changes nothing
    found = store.job(job.id)
    assert found is not None
    assert (found.state, found.attempts, found.fence) == (State.QUEUED, 0, 5)


def test_after_three_errors_a_job_has_failed(store: Store) -> None:
    job = store.submit(asked())
    for n in range(3):
        (held,) = begun(store)
        store.release(held, f"no memory ({n})")
    found = store.job(job.id)
    assert found is not None
    assert (found.state, found.attempts, found.error) == (State.FAILED, 3, "no memory (2)")
    assert found.finished is not None
    assert begun(store) == []


def test_a_poison_job_has_failed_and_says_why(store: Store) -> None:
    job = store.submit(asked())
    (held,) = begun(store)
    store.release(held, "no memory")
    for _ in range(MOST_ENDS - 1):
        assert begun(store, lease_s=-1)
        assert store.sweep() == [job.id]
    found = store.job(job.id)
    assert found is not None
    assert (found.state, found.attempts) == (State.FAILED, MOST_ENDS)
    assert found.error is not None
    assert found.error.startswith(f"begun {MOST_ENDS} times, and each time the program ended")
    assert found.error.endswith("an error before that: no memory")
    assert store.events(after=0)[-1].data == {"error": found.error}
    assert store.sweep() == []


def test_a_job_that_gets_further_is_tried_on(store: Store, files: Files) -> None:
    """A long one, on a machine that is switched off every day."""
    job = store.submit(asked())
    for n in range(6):
        (held,) = begun(store, lease_s=-1)
        store.renew(held, -1, step=n + 1, steps=9)
        store.sweep()
    (held,) = begun(store)
    store.add_picture(held, drawn(files, held))
    store.release(held)
    assert held.attempts == 7
    found = store.job(job.id)
    assert found is not None
    assert found.state is State.QUEUED
    assert len(found.pictures) == 1


def test_what_was_to_stop_does_not_wait_again(store: Store, files: Files) -> None:
    for prompt in "abcd":
        store.submit(asked(prompt))
    a, b, c, d = begun(store, limit=4, lease_s=-1)
    for job in (c, d):
        store.add_picture(job, drawn(files, job))
    store.stop(a.id, Stop.CANCEL)
    store.stop(b.id, Stop.INTERRUPT)
    store.stop(c.id, Stop.INTERRUPT)
    store.stop(d.id, Stop.CANCEL)
    store.release(d)
    store.sweep()
    ended = {job.id: job for job in store.jobs()}
    assert ended[a.id].state is State.CANCELLED
    assert ended[b.id].state is State.CANCELLED  # nothing was drawn yet
    assert (ended[c.id].state, len(ended[c.id].pictures)) == (State.DONE, 1)
    assert (ended[d.id].state, len(ended[d.id].pictures)) == (State.CANCELLED, 0)
    assert all(job.finished is not None for job in ended.values())


def test_only_what_nobody_holds_is_taken_back(store: Store) -> None:
    for prompt in "ab":
        store.submit(asked(prompt))
    begun(store, lease_s=30)
    begun(store, lease_s=-1)
    assert len(store.sweep()) == 1
    assert prompts(store.jobs(state=State.QUEUED)) == ["b"]


def test_a_deleted_job_is_lost_to_its_worker(store: Store, files: Files) -> None:
    job = store.submit(asked())
    (held,) = begun(store)
    picture = drawn(files, held)
    store.add_picture(held, picture)
    files.put_latents(job.id, b"state")
    assert store.delete(job.id)
    assert not store.delete(job.id)
    assert store.job(job.id) is None
    assert files.latents(job.id) is None
    with pytest.raises(InputError):
        files.picture(picture.file)
    with pytest.raises(LeaseLost):
        store.renew(held, 30)
    with pytest.raises(LeaseLost):
        store.finish(held, State.DONE)
