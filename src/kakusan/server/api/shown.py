"""A job, an event and an entry of the catalog, as JSON."""

import base64
from typing import Any

from kakusan.server.pictures import media_type_of
from kakusan.server.queue.job import Event, Job, State, StoredPicture
from kakusan.server.stream import Happening, Placed, Previewed, Progressed


def job_json(job: Job, place: int | None = None, eta: float | None = None) -> dict[str, Any]:
    """A job.

    Args:
        place: how many go before it, where it waits.
        eta: seconds until it is done, where that is known.
    """
    asked = job.submission
    return {
        "id": job.id,
        "state": job.state.value,
        "position": place,
        "created": job.created,
        "started": job.started,
        "finished": job.finished,
        "step": job.step,
        "steps": job.steps,
        "eta": eta,
        "attempts": job.attempts,
        "priority": asked.priority,
        "dialect": asked.dialect,
        "stop": None if job.stop is None else job.stop.value,
        "error": job.error,
        "request": dict(asked.request),
        "inputs": list(asked.inputs),
        "pictures": [picture_json(job.id, each) for each in job.pictures],
        "links": {"self": f"/v1/jobs/{job.id}", "events": f"/v1/jobs/{job.id}/events"},
    }


def picture_json(job: str, picture: StoredPicture) -> dict[str, Any]:
    """A finished picture, without its pixels."""
    return {
        "index": picture.index,
        "url": f"/v1/jobs/{job}/pictures/{picture.index}",
        "width": picture.width,
        "height": picture.height,
        "size": picture.size,
        "sha256": picture.sha256,
        "seed": picture.record.get("seed"),
        "record": dict(picture.record),
    }


def happening_json(happening: Happening) -> tuple[str, dict[str, Any]]:
    """What happened: its name, and what is told."""
    match happening:
        case Event():
            told = {"job": happening.job, "at": happening.at, **happening.data}
            return happening.kind, told
        case Progressed():
            return "step", {
                "job": happening.job,
                "i": happening.step,
                "n": happening.steps,
                "step": happening.step,
                "steps": happening.steps,
                "eta": happening.eta,
                "picture": happening.picture,
            }
        case Previewed():
            kind = media_type_of(happening.data)
            text = base64.b64encode(happening.data).decode()
            return "preview", {"job": happening.job, "image": f"data:{kind};base64,{text}"}
        case Placed():
            return State.QUEUED.value, {"job": happening.job, "position": happening.place}
