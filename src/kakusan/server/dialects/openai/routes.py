"""OpenAI's routes for pictures."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, asynccontextmanager

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from kakusan.errors import KakusanError, UnknownNameError
from kakusan.server.access import caller_of
from kakusan.server.api.lists import model_json
from kakusan.server.dialects.ignored import ignored_header
from kakusan.server.dialects.openai.answers import Kind, as_base64, images_response
from kakusan.server.dialects.openai.asking import Wanted
from kakusan.server.dialects.openai.bodies import read_json, read_multipart
from kakusan.server.dialects.openai.failures import Refusal, of_error
from kakusan.server.dialects.openai.links import Linked, Links
from kakusan.server.dialects.openai.pictures import finished_file
from kakusan.server.dialects.openai.streaming import Streamed, check_done, with_pings
from kakusan.server.dialects.openai.submitting import Caller, Order, order, submit
from kakusan.server.dialects.waiting import Waiting
from kakusan.server.errors import ClientLeft
from kakusan.server.pictures import MEDIA_TYPES
from kakusan.server.queue.job import Job, Stop
from kakusan.server.service import Service

LOOK_EVERY = 0.5  # seconds between two looks at whether the caller is still there
_NO_VARIATIONS = (
    "there are no variations here: OpenAI has retired them; send the picture to "
    "/v1/images/edits with a prompt, where strength says how much is new"
)


class Images:
    """Each method is a route."""

    def __init__(self, service: Service, links: Links) -> None:
        self._service, self._links = service, links
        self._waiting = Waiting(lambda job: service.stop(job, Stop.CANCEL))

    def routes(self) -> APIRouter:
        """All of them."""
        found = APIRouter(include_in_schema=False)
        found.add_api_route("/v1/images/generations", self.generations, methods=["POST"])
        found.add_api_route("/v1/images/edits", self.edits, methods=["POST"])
        found.add_api_route("/v1/images/variations", self.variations, methods=["POST"])
        found.add_api_route("/v1/models/{name:path}", self.model, methods=["GET"])
        found.add_api_route("/files/{job}/{name}", self.file, methods=["GET"])
        return found

    async def generations(self, request: Request) -> Response:
        """A picture from a text."""
        try:
            asked = await order(self._service, await read_json(request))
            return await self._answer(request, asked, "image_generation")
        except KakusanError as error:
            return refused(of_error(error))
        except Refusal as refusal:
            return refused(refusal)

    async def edits(self, request: Request) -> Response:
        """A picture from a picture and a text."""
        try:
            form = await read_multipart(request)
            asked = await order(self._service, form.fields, form)
            return await self._answer(request, asked, "image_edit")
        except KakusanError as error:
            return refused(of_error(error))
        except Refusal as refusal:
            return refused(refusal)

    async def variations(self) -> Response:
        """What OpenAI has retired."""
        return refused(Refusal(_NO_VARIATIONS, status=404, code="not_found"))

    async def model(self, name: str) -> Response:
        """What a model is."""
        catalog = self._service.catalog
        try:
            entry = catalog.find("model", name)
        except UnknownNameError as error:
            return refused(Refusal(str(error), status=404, param="model", code="model_not_found"))
        usual = catalog.usual_model.name
        return JSONResponse(await self._service.in_store(model_json, entry, usual))

    async def file(self, job: str, name: str, request: Request) -> Response:
        """The picture that a signed link leads to."""
        asked = request.query_params
        to = self._links.read(
            job,
            name,
            expires=asked.get("expires", ""),
            compression=asked.get("compression", ""),
            signature=asked.get("signature", ""),
        )
        try:
            if to is None:
                raise Refusal("the link has expired, or was made elsewhere", status=404)
            found = await self._service.job(to.job)
            data = await finished_file(
                self._service, found, to.index, to.output_format, to.compression
            )
        except KakusanError as error:
            return refused(of_error(error))
        except Refusal as refusal:
            return refused(refusal)
        return Response(data, media_type=MEDIA_TYPES[to.output_format], headers=_OF_FILES)

    async def _answer(self, request: Request, asked: Order, kind: Kind) -> Response:
        headers = ignored_header(asked.wanted.ignored)
        if not asked.wanted.stream:
            body = await self._finished(request, asked, kind)
            return JSONResponse(body, headers=headers)
        lines = self._streamed(request, asked, kind)
        await anext(lines)  # the job is in the queue, or refused with a status of its own
        return StreamingResponse(with_pings(lines), media_type="text/event-stream", headers=headers)

    async def _streamed(self, request: Request, asked: Order, kind: Kind) -> AsyncGenerator[bytes]:
        async with self._job(request, asked, kind) as job:
            yield b""
            async with aclosing(Streamed(self._service, job, asked, kind).lines()) as lines:
                async for line in lines:
                    yield line

    async def _finished(self, request: Request, asked: Order, kind: Kind) -> Mapping[str, object]:
        async with self._job(request, asked, kind) as id:
            job = await self._end(request, id)
            check_done(job)
            given = [
                await self._given(request, job, each.index, asked.wanted) for each in job.pictures
            ]
            return images_response(job, asked.wanted, asked.tokens, given)

    async def _given(self, request: Request, job: Job, index: int, want: Wanted) -> dict[str, str]:
        found: dict[str, str] = {}
        if want.as_url:
            to = Linked(job.id, index, want.output_format, want.compression)
            found["url"] = f"{request.base_url}{self._links.path(to)}"
        if want.as_data:
            data = await finished_file(
                self._service, job, index, want.output_format, want.compression
            )
            found["b64_json"] = as_base64(data)
        return found

    @asynccontextmanager
    async def _job(self, request: Request, asked: Order, kind: Kind) -> AsyncGenerator[str]:
        """The id of the job, while somebody waits for it."""
        caller = Caller(
            name=caller_of(request).name,
            key=request.headers.get("idempotency-key") or None,
            is_retry=request.headers.get("x-stainless-retry-count", "0") != "0",
        )

        async def hand_in() -> str:
            return (await submit(self._service, asked, caller)).id

        key = f"{caller.name}\n{kind}\n{asked.digest}"
        async with self._waiting.job(key, hand_in, is_retry=caller.is_retry) as job:
            yield job

    async def _end(self, request: Request, job: str) -> Job:
        """The job at its end.

        Raises:
            ClientLeft: The caller has gone before.
        """
        end = asyncio.ensure_future(self._service.finished(job))
        try:
            while not (await asyncio.wait((end,), timeout=LOOK_EVERY))[0]:
                if await request.is_disconnected():
                    raise ClientLeft("the caller has gone")
            return end.result()
        finally:
            end.cancel()


def refused(refusal: Refusal) -> JSONResponse:
    """The answer to a request that is not answered as it was hoped."""
    return JSONResponse(refusal.body, refusal.status, headers=refusal.headers)


# Pages of other servers show what they were given a link to
_OF_FILES = {"Cross-Origin-Resource-Policy": "cross-origin", "Cache-Control": "private"}
