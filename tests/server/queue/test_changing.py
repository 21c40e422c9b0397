"""People stop, move and delete jobs; races are decided once."""

import threading

import pytest

from kakusan.errors import InputError
from kakusan.server.queue.errors import LeaseLost
from kakusan.server.queue.files import Files
from kakusan.server.queue.job import Job, Priority, State, Stop
from kakusan.server.queue.store import Store
from tests.server.queue.making import asked, begun, drawn, ended, prompts


def queued(store: Store, names: str, **values: object) -> list[Job]:
    return [store.submit(asked(name, **values)) for name in names]


def waiting(store: Store) -> str:
    """The prompts of what waits, by place."""
    found = store.jobs(state=State.QUEUED)
    places = {job.id: store.place(job.id) for job in found}
    return "".join(prompts(sorted(found, key=lambda job: places[job.id] or 0)))


@pytest.mark.parametrize("how", list(Stop))
def test_a_waiting_job_is_cancelled_at_once(store: Store, how: Stop) -> None:
    job = store.submit(asked())
    stopped = store.stop(job.id, how)
    assert stopped is not None
    assert (stopped.state, stopped.stop) == (State.CANCELLED, how)
    assert stopped.finished is not None
    assert store.stop(job.id, Stop.CANCEL) == stopped
    assert begun(store) == []
    assert store.events(after=0)[-1].kind == "cancelled"
    assert store.stop("x", how) is None
    assert store.stop("01a219ac-8701-77a5-afbc-e62d8dcaa373", how) is None


def test_a_running_job_is_asked_to_end(store: Store, files: Files) -> None:
    store.submit(asked())
    (held,) = begun(store)
    store.add_picture(held, drawn(files, held))
    asked_to = store.stop(held.id, Stop.INTERRUPT)
    assert asked_to is not None
    assert (asked_to.state, asked_to.stop) == (State.RUNNING, Stop.INTERRUPT)
    assert store.renew(held, 30) is Stop.INTERRUPT
    store.stop(held.id, Stop.CANCEL)
    store.stop(held.id, Stop.INTERRUPT)  # no way back
    assert store.renew(held, 30) is Stop.CANCEL
    # said that it is to be cancelled, so it is, however far it came
    over = store.finish(held, State.DONE)
    assert (over.state, over.pictures) == (State.CANCELLED, ())
    assert store.finish(held, State.DONE) == over


def test_an_interrupted_job_keeps_its_pictures(store: Store, files: Files) -> None:
    store.submit(asked())
    (held,) = begun(store)
    store.stop(held.id, Stop.INTERRUPT)
    picture = drawn(files, held)
    store.add_picture(held, picture)
    done = store.finish(held, State.DONE)
    assert (done.state, done.pictures) == (State.DONE, (picture,))
    assert store.stop(done.id, Stop.CANCEL) == done


def test_a_cancelled_job_keeps_nothing(store: Store, files: Files) -> None:
    store.submit(asked())
    (held,) = begun(store)
    picture = drawn(files, held)
    store.add_picture(held, picture)
    files.put_latents(held.id, b"state")
    store.release(held)
    over = store.stop(held.id, Stop.CANCEL)
    assert over is not None
    assert over.pictures == ()
    assert files.latents(held.id) is None
    with pytest.raises(InputError):
        files.picture(picture.file)


def test_a_cancel_and_the_end_agree(store: Store, files: Files) -> None:
    """Many races: whoever comes second sees what the first decided, and both see the same."""
    for _ in range(25):
        job = store.submit(asked())
        (held,) = begun(store)
        store.add_picture(held, drawn(files, held))
        barrier = threading.Barrier(2)
        answers: dict[str, Job | None] = {}

        def cancel(job: Job = job, barrier=barrier, answers=answers) -> None:
            barrier.wait()
            answers["cancel"] = store.stop(job.id, Stop.CANCEL)

        thread = threading.Thread(target=cancel)
        thread.start()
        barrier.wait()
        finished = store.finish(held, State.DONE)
        thread.join()
        told = answers["cancel"]
        assert told is not None
        last = store.job(job.id)
        assert last == finished
        if finished.state is State.DONE:
            assert told == finished
        else:
            assert (told.state, told.stop) == (State.RUNNING, Stop.CANCEL)
        over = [event.kind for event in store.events(after=0, job=job.id)][3:]
        assert over == [finished.state]


def test_a_cancel_and_the_beginning_agree(store: Store) -> None:
    for _ in range(25):
        job = store.submit(asked())
        barrier = threading.Barrier(2)
        told: list[Job | None] = []

        def cancel(job: Job = job, barrier=barrier, told=told) -> None:
            barrier.wait()
            told.append(store.stop(job.id, Stop.CANCEL))

        thread = threading.Thread(target=cancel)
        thread.start()
        barrier.wait()
        found = begun(store)
        thread.join()
        assert told[0] is not None
        if found:
            assert told[0].state is State.RUNNING
            assert store.finish(found[0], State.DONE).state is State.CANCELLED
        else:
            assert told[0].state is State.CANCELLED


def test_jobs_are_moved(store: Store) -> None:
    a, b, c, d = queued(store, "abcd")
    assert waiting(store) == "abcd"
    store.move(d.id, to="first")
    assert waiting(store) == "dabc"
    store.move(a.id, to="last")
    assert waiting(store) == "dbca"
    store.move(a.id, before=b.id)
    assert waiting(store) == "dabc"
    store.move(a.id, before=a.id)
    store.move(d.id, to="first")
    assert waiting(store) == "dabc"
    store.move(c.id, before=d.id)
    assert waiting(store) == "cdab"
    assert prompts(begun(store, limit=9)) == ["c", "d", "a", "b"]


def test_a_job_goes_into_another_class(store: Store) -> None:
    a, b, c = queued(store, "abc")
    (batch,) = queued(store, "z", priority=Priority.BATCH)
    moved = store.move(c.id, priority=Priority.WAITING)
    assert moved is not None
    assert moved.submission.priority == Priority.WAITING
    assert waiting(store) == "cabz"
    store.move(batch.id, before=b.id)
    assert waiting(store) == "cazb"
    store.move(a.id, priority=Priority.WAITING, to="first")
    assert waiting(store) == "aczb"
    store.move(a.id, priority=Priority.BATCH, to="first")
    assert waiting(store) == "czba"
    assert [event.kind for event in store.events(after=0, job=a.id)] == ["queued"] * 3
    with pytest.raises(InputError, match="a priority is -1000 to 1000, not 5000"):
        store.move(a.id, priority=5000)


def test_what_does_not_wait_is_not_moved(store: Store, files: Files) -> None:
    done = ended(store, files)
    assert store.move(done.id, to="first", priority=0) == done
    a, b = queued(store, "ab")
    (held,) = begun(store)
    assert store.move(held.id, to="last") == held
    (c,) = queued(store, "c")
    store.move(c.id, before=a.id)  # which has begun, so before all that wait
    assert waiting(store) == "cb"
    with pytest.raises(InputError, match="there is no job 'x'"):
        store.move(b.id, before="x")
    assert waiting(store) == "cb"


def test_a_job_is_put_between_two_as_often_as_one_likes(store: Store) -> None:
    first, last, *between = queued(store, "azbc")
    store.move(first.id, to="first")
    store.move(last.id, to="last")
    for n in range(120):  # halves of halves, until no number lies between two
        store.move(between[n % 2].id, before=last.id)
        order = waiting(store)
        assert order[0] == "a"
        assert order[2:] == ("bz", "cz")[n % 2]


def test_moves_at_once_lose_no_job(store: Store) -> None:
    jobs = queued(store, "abcdef")

    def shuffle(own: Job) -> None:
        for other in jobs:
            store.move(own.id, before=other.id)

    threads = [threading.Thread(target=shuffle, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(prompts(begun(store, limit=9))) == list("abcdef")


def test_a_deleted_job_leaves_nothing(store: Store, files: Files) -> None:
    done = ended(store, files, asked(key="k", body_hash="x"))
    other = ended(store, files)
    assert store.delete(done.id)
    assert store.jobs() == [other]
    assert store.of_key("local", "k") is None
    assert [event.kind for event in store.events(after=0, job=done.id)] == ["deleted"]
    with pytest.raises(InputError):
        files.picture(done.pictures[0].file)
    assert files.picture(other.pictures[0].file).exists()
    with pytest.raises(LeaseLost):
        store.finish(done, State.DONE)
