"""A row and what became of it go through the queue and come out as they were."""

import pytest

from kakusan.batch.made import Made
from kakusan.batch.on_queue.parcel import Parcel
from kakusan.batch.on_queue.submission import submission_of, work_of
from kakusan.batch.row import FAILED_ROW, SUCCESS, Drawn, Finished, Row
from kakusan.server.queue.store import Store
from tests.batch.on_queue.fakes import MADE

ODD = 'half \ud83d, NUL \0, "quoted"\nfurther: 猫'
PICTURES = (Drawn(b"\x89PNG\n{}\n", 3, 4, ODD), Drawn(b"", 5, 6), Drawn(b"\n\n", 7, 8, "x"))


@pytest.mark.parametrize(
    "finished",
    [
        Finished(7, SUCCESS, PICTURES),
        Finished(0, SUCCESS, PICTURES[:1]),
        Finished(10**9, FAILED_ROW, error=ODD),
    ],
)
def test_a_finished_row_comes_out_as_it_was(finished: Finished) -> None:
    for notices in ((), (ODD, "b")):
        told = Parcel.unpacked(Parcel(finished, notices).packed())
        assert (told.finished, tuple(told.notices)) == (finished, notices)


def test_a_row_comes_out_as_it_was_and_is_handed_in_once(store: Store) -> None:
    row = Row(3, ODD, "stem", {"prompt": ODD, "seed": 5, "loras": [{"a": 1.5}]}, {"x": [None]})
    made = Made(**{**MADE, "words": {"prompt": ODD}})
    asked = submission_of(row, made, "batch-1")
    jobs = store.submit_all([asked, asked, submission_of(row, made, "batch-2")])
    assert jobs[0].id == jobs[1].id != jobs[2].id
    found = work_of(jobs[0])
    assert found == (row, made)
    changed = submission_of(row, Made(**{**MADE, "together": 2}), "batch-1")
    assert store.submit(changed).id != jobs[0].id


def test_a_row_of_another_version_is_not_read(store: Store) -> None:
    row = Row(0, "k", "k", {"prompt": "a"}, {})
    asked = submission_of(row, Made(**MADE), "batch-1")
    asked.note["version"] += 1  # type: ignore[index]
    assert work_of(store.submit(asked)) is None
