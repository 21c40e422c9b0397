"""Jobs are found again: by state, client and words, a page at a time; and so is what happened."""

import threading

import pytest

from kakusan.errors import InputError
from kakusan.server.queue.files import Files
from kakusan.server.queue.job import State, Stop
from kakusan.server.queue.store import Store
from tests.server.queue.making import asked, begun, drawn, ended, prompts


def test_the_newest_come_first_a_page_at_a_time(store: Store) -> None:
    ids = [store.submit(asked(str(n))).id for n in range(7)]
    first = store.jobs(limit=3)
    assert prompts(first) == ["6", "5", "4"]
    store.submit(asked("new"))  # does not shift what comes next
    assert prompts(store.jobs(limit=3, after=first[-1].id)) == ["3", "2", "1"]
    store.delete(ids[3])  # nor does it matter that the last one is gone
    assert prompts(store.jobs(limit=3, after=ids[3])) == ["2", "1", "0"]
    assert store.jobs(after=ids[0]) == []
    assert len(store.jobs()) == 7
    with pytest.raises(InputError, match="after the id of a job, not after 'x'"):
        store.jobs(after="x")


def test_jobs_are_listed_by_state_and_client(store: Store, files: Files) -> None:
    done = ended(store, files, asked("a", client="x"))
    waiting = store.submit(asked("b", client="y"))
    assert store.jobs(state=State.DONE) == [done]
    assert store.jobs(client="y") == [waiting]
    assert store.jobs(client="y", state=State.DONE) == []
    assert store.jobs(client="\0\ud800") == []
    assert done.pictures[0].record == {"seed": 0}
    counts = dict.fromkeys(State, 0) | {State.DONE: 1, State.QUEUED: 1}
    assert store.counts() == counts


def test_the_oldest_that_waits_is_known(store: Store) -> None:
    assert store.waiting_since() is None
    first, second = store.submit(asked()), store.submit(asked())
    store.move(second.id, to="first")
    assert store.waiting_since() == first.created
    begun(store, limit=2)
    assert store.waiting_since() is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", 4),
        ("cat", 2),
        ("CAT RED", 1),
        ("red cat", 1),
        ("  cat\t\n", 2),
        ("ネコ", 1),
        ("ﾈｺ", 1),
        ("100%", 1),
        ("0% of_", 1),
        ("%", 1),
        ("_", 1),
        ("\\", 1),
        ("dog", 0),
        ("' OR 1=1 --", 0),
        ("\0", 4),
        ("straße", 1),
        ("STRASSE", 1),
    ],
)
def test_words_are_searched_in_prompts(store: Store, text: str, found: int) -> None:
    for prompt in ("A Red\ncat", "cat 100% of_\\ ", "赤いネコ", "Straße"):
        store.submit(asked(prompt))
    assert len(store.jobs(text=text)) == found


def test_several_prompts_of_a_request_are_searched(store: Store) -> None:
    job = store.submit(asked())
    both = asked()
    request = {**both.request, "prompt": ["one fish", "two boats"]}
    other = store.submit(type(both)(request=request))
    assert store.jobs(text="boats") == [other]
    assert store.jobs(text="cat") == [job]


def test_what_happened_is_told_in_order(store: Store, files: Files) -> None:
    first = store.submit(asked(client="x"))
    (held,) = begun(store)
    store.add_picture(held, drawn(files, held))
    second = store.submit(asked(client="y"))
    store.finish(held, State.FAILED, "no\x00 memory \ud800")
    store.stop(second.id, Stop.CANCEL)
    kinds = [(event.job, event.kind) for event in store.events(after=0)]
    assert kinds == [
        (first.id, "queued"),
        (first.id, "started"),
        (first.id, "picture"),
        (second.id, "queued"),
        (first.id, "failed"),
        (second.id, "cancelled"),
    ]
    told = store.events(after=0)
    assert [event.seq for event in told] == sorted({event.seq for event in told})
    assert store.events(after=told[2].seq) == told[3:]
    assert store.events(after=0, limit=2) == told[:2]
    assert store.events(after=0, job=second.id) == [told[3], told[5]]
    assert store.events(after=0, client="x") == [told[0], told[1], told[2], told[4]]
    assert store.events(after=10**15) == []
    assert store.last_event() == told[-1].seq
    assert told[4].data == {"error": "no  memory ?"}
    assert told[2].data == {"index": 0}


def test_an_event_never_gets_a_number_again(store: Store) -> None:
    assert store.last_event() == 0
    store.delete(store.submit(asked()).id)
    (gone,) = store.events(after=0)
    assert gone.kind == "deleted"
    store.submit(asked())
    assert store.events(after=gone.seq)[0].kind == "queued"


def test_who_reads_on_while_many_write_misses_nothing(store: Store) -> None:
    """Numbers are given in the order of commits."""
    done = threading.Event()
    seen: list[int] = []

    def read() -> None:
        while True:
            last = done.is_set()
            found = store.events(after=seen[-1] if seen else 0)
            seen.extend(event.seq for event in found)
            if last and not found:
                return

    def write() -> None:
        for _ in range(15):
            job = store.submit(asked())
            store.stop(job.id, Stop.CANCEL)

    reader = threading.Thread(target=read)
    writers = [threading.Thread(target=write) for _ in range(6)]
    for thread in (reader, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    reader.join()
    assert len(seen) == 6 * 15 * 2
    assert seen == [event.seq for event in store.events(after=0)]


def test_changes_are_told_after_they_are_on_the_disk(store: Store) -> None:
    heard: list[tuple[str, State | None]] = []

    def hear(id: str) -> None:
        job = store.job(id)
        heard.append((id, None if job is None else job.state))

    def broken(id: str) -> None:
        raise RuntimeError(id)

    store.on_change += [broken, hear]
    job = store.submit(asked())
    (held,) = begun(store)
    store.stop(job.id, Stop.INTERRUPT)
    store.renew(held, 5, step=1)
    store.finish(held, State.DONE)
    store.delete(job.id)
    states = [State.QUEUED, State.RUNNING, State.RUNNING, State.RUNNING, State.DONE, None]
    assert heard == [(job.id, state) for state in states]
