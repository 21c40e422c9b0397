"""How far a caller's jobs are, in the words of AUTOMATIC1111's progress."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

from kakusan.server.dialects.a1111.answer import timestamp
from kakusan.server.queue.job import Job, State

_BEGUN = 0.01  # where it counts from
_WHOLE = 1.0


class Seen(NamedTuple):
    """What is known of a job at this moment.

    Attributes:
        step, steps: of all its pictures together; 0 before it is known.
        eta: seconds that are left; None where that is not known.
        preview: the latest picture of it, a file.
        media: its media type.
    """

    step: int = 0
    steps: int = 0
    eta: float | None = None
    preview: bytes | None = None
    media: str = "image/jpeg"


def current(jobs: Sequence[Job]) -> Job | None:
    """The job that is told of: the oldest running one, else the one that was asked for first."""
    live = sorted((job for job in jobs if not job.state.is_final), key=lambda job: job.created)
    running = [job for job in live if job.state is State.RUNNING]
    return next(iter([*running, *live]), None)


def progress_of(job: Job | None, seen: Seen) -> dict[str, Any]:
    """The body of GET progress; without a job all of it is 0, which clients wait for."""
    if job is None:
        return _told(0.0, 0.0, _state(None, 0, 0.0))
    batches = _batches(job)
    share = _share(job, seen)
    told = _told(
        min(_BEGUN + share, _WHOLE), round(seen.eta or 0.0, 2), _state(job, batches, share)
    )
    told["current_image"] = (
        None if seen.preview is None else base64.b64encode(seen.preview).decode("ascii")
    )
    told["textinfo"] = "Waiting in the queue" if job.state is State.QUEUED else None
    told["current_task"] = task_of(job)
    return told


def progress_of_task(job: Job | None, seen: Seen, *, shown: int, wanted: bool) -> dict[str, Any]:
    """The body of POST /internal/progress.

    Args:
        job: the one of the task that is asked about; None where there is none.
        shown: the number of the preview that the caller has.
        wanted: whether the caller wants previews.
    """
    state = None if job is None else job.state
    active = state is State.RUNNING
    found: dict[str, Any] = {
        "active": active,
        "queued": state is State.QUEUED,
        "completed": state is not None and state.is_final,
        "progress": None,
        "eta": None,
        "live_preview": None,
        "id_live_preview": shown,
        "textinfo": "In queue..." if state is State.QUEUED else None if active else "Waiting...",
    }
    if job is None or not active:
        return found
    found |= {"progress": _share(job, seen), "eta": seen.eta}
    if wanted and seen.preview is not None and seen.step != shown:
        text = base64.b64encode(seen.preview).decode("ascii")
        found |= {"live_preview": f"data:{seen.media};base64,{text}", "id_live_preview": seen.step}
    found["textinfo"] = None
    return found


def pending(jobs: Sequence[Job]) -> dict[str, Any]:
    """The body of GET /internal/pending-tasks: what waits or is drawn, the oldest first."""
    live = sorted((job for job in jobs if not job.state.is_final), key=lambda job: job.created)
    tasks = [task_of(job) or job.id for job in live]
    return {"size": len(tasks), "tasks": tasks}


def task_of(job: Job) -> str | None:
    """The name that its caller gave it."""
    task: object = job.submission.note.get("task")
    return task if isinstance(task, str) else None


def _batches(job: Job) -> int:
    return max(cast("list[int]", job.submission.note.get("batch", [1, 1]))[1], 1)


def _share(job: Job, seen: Seen) -> float:
    step, steps = (seen.step, seen.steps) if seen.steps else (job.step, job.steps)
    return min(max(step / steps, 0.0), _WHOLE) if steps else 0.0


def _told(progress: float, eta: float, state: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "progress": progress,
        "eta_relative": eta,
        "state": dict(state),
        "current_image": None,
        "textinfo": None,
        "current_task": None,
    }


def _state(job: Job | None, batches: int, share: float) -> dict[str, Any]:
    """Batches count as jobs there, and steps are of the one that is drawn."""
    begun = None if job is None else job.started or job.created
    steps = 0 if job is None else int(job.submission.request.get("num_inference_steps") or 0)
    done = min(int(share * batches), max(batches - 1, 0))
    stopped = job is not None and job.stop is not None
    return {
        "skipped": False,
        "interrupted": stopped,
        "stopping_generation": stopped,
        "job": "" if job is None else task_of(job) or job.id,
        "job_count": batches,
        "job_timestamp": "0" if begun is None else timestamp(begun),
        "job_no": done,
        "sampling_step": int((share * batches - done) * steps),
        "sampling_steps": steps,
    }
