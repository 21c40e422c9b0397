"""The contract of the queue, on each database."""

from pathlib import Path

from kakusan.server.queue.files import Files
from kakusan.server.queue.job import State, StoredPicture, Submission
from kakusan.server.queue.store import Store


def test_a_job_goes_all_the_way(tmp_path: Path) -> None:
    files = Files(tmp_path)
    store = Store.open(f"sqlite:///{tmp_path}/queue.db", files)
    job = store.submit(Submission(request={"prompt": "A Cat"}))
    (begun,) = store.claim("worker", limit=3, lease_s=10)
    file, sha256, size = files.put_picture(job.id, 0, b"data", ".png")
    picture = StoredPicture(
        index=0, file=file, sha256=sha256, size=size, width=8, height=8, record={"seed": 1}
    )
    store.add_picture(begun, picture)
    assert store.renew(begun, 10, step=3, steps=4) is None
    assert store.finish(begun, State.DONE).pictures == (picture,)
    assert [event.kind for event in store.events(after=0)] == [
        "queued",
        "started",
        "picture",
        "done",
    ]
    store.close()
