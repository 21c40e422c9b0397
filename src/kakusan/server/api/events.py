"""What happens, as server-sent events: of one job, or of all of a caller's in one stream."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Annotated, TypeAlias

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse

from kakusan.server.access import caller_of
from kakusan.server.api.schema import STREAM
from kakusan.server.api.shown import happening_json
from kakusan.server.errors import FieldError
from kakusan.server.queue.job import Event
from kakusan.server.service import Service
from kakusan.server.stream import Happening

PING = 15.0  # seconds of silence
_AHEAD = 64  # happenings that a slow reader may lag behind
_LAST = 2**53
After: TypeAlias = Annotated[int | None, Query(ge=0, le=_LAST)]
_HEADERS = {"X-Accel-Buffering": "no", "Cache-Control": "no-store"}


def router(service: Service) -> APIRouter:
    """`/v1/events` and `/v1/jobs/{id}/events`."""
    found = APIRouter(tags=["events"])

    @found.get("/v1/events", **STREAM)
    async def events(
        request: Request, after: After = None, previews: bool = True
    ) -> StreamingResponse:
        """What happens to the caller's jobs from now on, or after an event (`Last-Event-ID`)."""
        own = caller_of(request).name
        last = _last(request, after)
        return _stream(service.events(client=own, after=last, previews=previews))

    @found.get("/v1/jobs/{id}/events", **STREAM)
    async def job_events(
        request: Request, id: str, after: After = None, previews: bool = True
    ) -> StreamingResponse:
        """All that happens to a job, from its beginning to its end."""
        await service.job(id, client=caller_of(request).name)
        last = _last(request, after)
        return _stream(service.events(job=id, after=last, previews=previews))

    return found


def _last(request: Request, after: int | None) -> int | None:
    """The last event that the caller has."""
    said = request.headers.get("last-event-id", "").strip()
    if not said:
        return after
    if not said.isascii() or not said.isdecimal() or len(said) > 16:
        raise FieldError("Last-Event-ID", "Last-Event-ID must be the number of an event")
    return int(said)


def _stream(happenings: AsyncGenerator[Happening]) -> StreamingResponse:
    return StreamingResponse(_lines(happenings), media_type="text/event-stream", headers=_HEADERS)


async def _lines(happenings: AsyncGenerator[Happening]) -> AsyncGenerator[bytes]:
    """The stream's text; a comment where nothing happens, so that nobody takes it for dead."""
    queue: asyncio.Queue[Happening | None] = asyncio.Queue(_AHEAD)

    async def pump() -> None:
        try:
            async for each in happenings:
                await queue.put(each)
        finally:
            await happenings.aclose()
        await queue.put(None)

    task = asyncio.create_task(pump())
    try:
        yield b"retry: 2000\n\n"
        while True:
            try:
                each = await asyncio.wait_for(queue.get(), PING)
            except TimeoutError:
                if task.done():
                    return
                yield b": still here\n\n"
                continue
            if each is None:
                return
            yield line(each)
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await task


def line(happening: Happening) -> bytes:
    """One event as text; kept ones have an id, after which a reader can go on."""
    name, told = happening_json(happening)
    id = f"id: {happening.seq}\n" if isinstance(happening, Event) else ""
    return f"{id}event: {name}\ndata: {json.dumps(told)}\n\n".encode()
