"""A row as a job of the queue, and back: plain JSON, with all that it is drawn with."""

import hashlib
import json
from dataclasses import asdict
from typing import NamedTuple

from kakusan.batch.made import Made
from kakusan.batch.row import Row
from kakusan.server.queue.job import ROWS, Job, Priority, Submission

_VERSION = 1


class Work(NamedTuple):
    """What a job asks of a worker."""

    row: Row
    made: Made


def submission_of(row: Row, made: Made, client: str) -> Submission:
    """A row as it is handed in; the same row again is the same job.

    Args:
        made: what it is drawn with.
        client: which batch it is of.
    """
    note = {"version": _VERSION, "row": asdict(row), "made": made.to_json()}
    digest = hashlib.sha256(json.dumps(note, sort_keys=True).encode()).hexdigest()
    shown = {name: row.settings.get(name) for name in ("prompt", "seed", "model")}
    return Submission(
        request={name: value for name, value in shown.items() if value is not None},
        client=client,
        dialect=ROWS,
        priority=Priority.BATCH,
        key=digest,
        body_hash=digest,
        note=note,
    )


def work_of(job: Job) -> Work | None:
    """What a job asks; None where another version of the program handed it in."""
    note = job.submission.note
    if note.get("version") != _VERSION:
        return None
    try:
        return Work(Row(**note["row"]), Made(**note["made"]))
    except (KeyError, TypeError):
        return None
