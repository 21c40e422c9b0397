"""Jobs: handed in, listed, shown, moved, stopped, forgotten."""

import hashlib
import json
import re
from typing import Annotated, Any, cast

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse

from kakusan.server.access import caller_of, json_of
from kakusan.server.api.changing import changed_job, checked_priority
from kakusan.server.api.schema import AGAIN, CHANGE, JOB, JOBS, NEW_JOB, described
from kakusan.server.api.sent import with_pictures
from kakusan.server.api.shown import job_json
from kakusan.server.errors import FieldError
from kakusan.server.queue.job import Job, Priority, State, Stop, Submission
from kakusan.server.service import Service

MOST_LISTED = 200
_KEY = re.compile(r"[\x21-\x7e]{1,200}")


def router(service: Service) -> APIRouter:
    """`/v1/jobs`, but for events and pictures."""
    found = APIRouter(tags=["jobs"])

    @found.post("/v1/jobs", status_code=202, **described(NEW_JOB, 202, JOB))
    async def submit(request: Request) -> Response:
        """Hand a job in; it is kept when the answer comes.

        The fields are those of a `kakusan.Request`; pictures are ids of `/v1/inputs`, or base64.
        With the header `Idempotency-Key`, the same again is the same job.
        """
        sent = _object(await json_of(request))
        key = _key(request)
        priority = checked_priority(sent.pop("priority", None))
        asked = await service.asked(await with_pictures(sent, service))
        job = await service.submit(
            Submission(
                request=asked.request.to_record(),
                inputs=asked.inputs,
                client=caller_of(request).name,
                priority=Priority.QUEUED if priority is None else priority,
                key=key,
                body_hash=None if key is None else _hash(await request.body()),
            )
        )
        return JSONResponse(await _shown(service, job), 202, {"Location": f"/v1/jobs/{job.id}"})

    @found.get("/v1/jobs", **described(None, 200, JOBS))
    async def jobs(
        request: Request,
        state: State | None = None,
        q: Annotated[str | None, Query(max_length=500)] = None,
        after: Annotated[str | None, Query(max_length=64)] = None,
        limit: Annotated[int, Query(ge=1, le=MOST_LISTED)] = 50,
    ) -> Response:
        """List the caller's jobs, the newest first; `q` are words of the prompt."""
        own = caller_of(request).name
        listed = await service.jobs(state=state, client=own, text=q, after=after, limit=limit)
        shown_jobs = [await _shown(service, job) for job in listed]
        more = listed[-1].id if len(listed) == limit else None
        return JSONResponse({"jobs": shown_jobs, "next": more})

    @found.get("/v1/jobs/{id}", **described(None, 200, JOB))
    async def job(request: Request, id: str) -> Response:
        """Show a job: its state, its progress, and its pictures."""
        return JSONResponse(
            await _shown(service, await service.job(id, client=caller_of(request).name))
        )

    @found.get("/v1/jobs/{id}/again", **described(None, 200, AGAIN))
    async def again(request: Request, id: str) -> Response:
        """What to hand in for the same job again: its settings, its pictures as ids of inputs."""
        known = await service.job(id, client=caller_of(request).name)
        return JSONResponse(await service.asked_again(known))

    @found.delete("/v1/jobs/{id}", **described(None, 200, JOB, empty=204))
    async def delete(request: Request, id: str) -> Response:
        """Cancel a job that waits or runs; forget one that is at its end, and its pictures."""
        known = await service.job(id, client=caller_of(request).name)
        if known.state.is_final:
            await service.delete(id)
            return Response(status_code=204)
        return JSONResponse(await _shown(service, await service.stop(id, Stop.CANCEL)))

    @found.patch("/v1/jobs/{id}", **described(CHANGE, 200, JOB))
    async def change(request: Request, id: str) -> Response:
        """Move a job that waits, or ask one to end early.

        `position` is how many go before it, and `before` is the id of another: it gets the priority
        of where it is put. `to` is "first" or "last" of its `priority`. `stop` is "cancel", or
        "interrupt", which keeps what is drawn by then. What comes too late is refused: 409.
        """
        own = caller_of(request).name
        sent = _object(await json_of(request))
        return JSONResponse(await _shown(service, await changed_job(service, id, own, sent)))

    return found


async def _shown(service: Service, job: Job) -> dict[str, Any]:
    place = None
    if job.state is State.QUEUED:
        place = await service.in_store(service.store.place, job.id)
    seen = service.board.progress(job.id) if job.state is State.RUNNING else None
    return job_json(job, place, None if seen is None else seen.eta_s)


def _object(sent: object) -> dict[str, Any]:
    if not isinstance(sent, dict):
        raise FieldError("body", "the body must be a JSON object")
    return cast("dict[str, Any]", sent)


def _key(request: Request) -> str | None:
    key = request.headers.get("idempotency-key")
    if key is not None and not _KEY.fullmatch(key):
        raise FieldError(
            "Idempotency-Key", "Idempotency-Key must be 1 to 200 letters, digits and signs"
        )
    return key


def _hash(body: bytes) -> str:
    """Of what a body says, whatever its spaces and the order of its names."""
    said = json.dumps(json.loads(body), sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()
