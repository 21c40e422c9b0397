"""A picture as it is drawn, as server-sent events."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any

from kakusan.errors import KakusanError
from kakusan.server.dialects.openai.answers import Kind, completed_event, partial_event
from kakusan.server.dialects.openai.failures import Refusal, of_error
from kakusan.server.dialects.openai.pictures import finished_file, partial_file
from kakusan.server.dialects.openai.submitting import Order
from kakusan.server.queue.job import Event, Job, State, StoredPicture
from kakusan.server.service import Service
from kakusan.server.stream import FINAL, Happening, Previewed, Progressed

PING_EVERY = 15.0  # seconds without an event, after which a comment keeps proxies from hanging up


def line(event: Mapping[str, Any]) -> bytes:
    """An event, as it is sent."""
    name = str(event.get("type", "error"))
    return f"event: {name}\ndata: {json.dumps(event, ensure_ascii=True)}\n\n".encode()


class Partials:
    """When half-drawn pictures are sent: at even shares of the steps."""

    def __init__(self, wanted: int) -> None:
        self._wanted, self._sent, self._due = wanted, 0, 0

    def progressed(self, step: int, steps: int) -> None:
        """So many of all steps were taken."""
        self._due = step * (self._wanted + 1) // steps if steps else 0

    def next(self) -> int | None:
        """The index of the one that is due now, if one is."""
        if self._sent >= min(self._due, self._wanted):
            return None
        self._sent += 1
        return self._sent - 1


class Streamed:
    """A job's stream."""

    def __init__(self, service: Service, job: str, order: Order, kind: Kind) -> None:
        self._service, self._job = service, job
        self._kind: Kind = kind
        self._wanted, self._tokens = order.wanted, order.tokens
        self._partials = Partials(order.wanted.partial_images)
        self._sent = 0

    async def lines(self) -> AsyncGenerator[bytes]:
        """To the end of the job."""
        previews = self._wanted.partial_images > 0
        try:
            async with aclosing(self._service.events(job=self._job, previews=previews)) as events:
                async for each in events:
                    async for told in self._told(each):
                        yield line(told)
            check_done(await self._service.job(self._job))
        except KakusanError as error:
            yield line(of_error(error).body)
        except Refusal as refusal:
            yield line(refusal.body)

    async def _told(self, happening: Happening) -> AsyncGenerator[dict[str, Any]]:
        if isinstance(happening, Progressed):
            self._partials.progressed(happening.step, happening.steps)
        elif isinstance(happening, Previewed):
            if (index := self._partials.next()) is not None:
                yield await self._half_drawn(happening.data, index)
        elif isinstance(happening, Event) and happening.kind in ("picture", *FINAL):
            job = await self._service.job(self._job)
            for picture in job.pictures[self._sent :]:
                self._sent += 1
                yield await self._finished(job, picture)

    async def _half_drawn(self, preview: bytes, index: int) -> dict[str, Any]:
        want = self._wanted
        data = await partial_file(self._service, preview, want.output_format, want.compression)
        size = _size(want.settings)
        return partial_event(self._kind, want, data, index=index, size=size, at=time.time())

    async def _finished(self, job: Job, picture: StoredPicture) -> dict[str, Any]:
        want = self._wanted
        data = await finished_file(
            self._service, job, picture.index, want.output_format, want.compression
        )
        tokens, at = self._tokens, time.time()
        return completed_event(self._kind, want, picture, data, tokens=tokens, at=at)


def _size(settings: Mapping[str, Any]) -> str:
    sides = settings.get("width"), settings.get("height")
    return "auto" if None in sides else f"{sides[0]}x{sides[1]}"


def check_done(job: Job) -> None:
    """Raise `Refusal` for a job that has come to another end than its pictures, or to none."""
    match job.state:
        case State.DONE:
            return
        case State.FAILED:
            why = job.error or "the picture could not be drawn"
            raise Refusal(why, status=500, code="job_failed")
        case State.CANCELLED:
            raise Refusal("the job was cancelled", status=409, code="job_cancelled")
        case _:
            raise Refusal("the server stops; ask again later", status=503, code="draining")


async def with_pings(lines: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    """The same, with comments where nothing comes for a while."""
    coming = asyncio.ensure_future(anext(lines, None))
    try:
        while True:
            done, _ = await asyncio.wait((coming,), timeout=PING_EVERY)
            if not done:
                yield b": still here\n\n"
                continue
            found = coming.result()
            if found is None:
                return
            yield found
            coming = asyncio.ensure_future(anext(lines, None))
    finally:
        coming.cancel()
