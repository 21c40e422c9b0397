"""Jobs and pictures for tests of the queue."""

from typing import Any

from kakusan.server.queue.files import Files
from kakusan.server.queue.job import Job, State, StoredPicture, Submission
from kakusan.server.queue.store import Store

LEASE = 30.0


def asked(prompt: str = "a cat", **values: Any) -> Submission:
    """A submission; `model` is put into the request."""
    model = values.pop("model", "builtin")
    return Submission(request={"prompt": prompt, "model": model, "seed": 1}, **values)


def begun(store: Store, owner: str = "worker", limit: int = 1, **values: Any) -> list[Job]:
    """Jobs that a worker begins."""
    return store.claim(owner, limit=limit, lease_s=values.pop("lease_s", LEASE), **values)


def drawn(files: Files, job: Job, index: int = 0, data: bytes = b"a picture") -> StoredPicture:
    """A picture of a job, on the disk."""
    file, sha256, size = files.put_picture(job.id, index, data, ".png")
    return StoredPicture(
        index=index, file=file, sha256=sha256, size=size, width=8, height=8, record={"seed": index}
    )


def ended(store: Store, files: Files, submission: Submission | None = None) -> Job:
    """A job that is done, with one picture."""
    job = store.submit(submission or asked())
    (held,) = begun(store, limit=1)
    assert held.id == job.id
    store.add_picture(held, drawn(files, held))
    return store.finish(held, State.DONE)


def prompts(jobs: list[Job]) -> list[str]:
    """What is to be drawn, in order."""
    return [job.submission.request["prompt"] for job in jobs]
