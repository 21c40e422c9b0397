"""Ollama's routes: pictures from texts, and what models there are."""

import secrets
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any, cast

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from kakusan import __version__
from kakusan.errors import KakusanError, UnknownNameError
from kakusan.server.access import caller_of, json_of
from kakusan.server.dialects.ignored import ignored_header
from kakusan.server.dialects.ollama import models
from kakusan.server.dialects.ollama.answers import finished, line, loaded, progress
from kakusan.server.dialects.ollama.asking import Wanted, model_name, wanted
from kakusan.server.dialects.ollama.failures import Refusal, no_model, of_error
from kakusan.server.dialects.waiting import Waiting
from kakusan.server.queue.job import Event, Job, Priority, State, Stop, Submission
from kakusan.server.service import Service
from kakusan.server.stream import FINAL, Progressed
from kakusan.server.worker.catalog import Entry


class Ollama:
    """Each method is a route."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._waiting = Waiting(lambda job: service.stop(job, Stop.CANCEL), grace=0)

    def routes(self) -> APIRouter:
        """All of them."""
        found = APIRouter(include_in_schema=False)
        found.add_api_route("/api/generate", self.generate, methods=["POST"])
        found.add_api_route("/api/tags", self.tags, methods=["GET"])
        found.add_api_route("/api/show", self.show, methods=["POST"])
        found.add_api_route("/api/version", self.version, methods=["GET"])
        return found

    async def generate(self, request: Request) -> Response:
        """A picture, with lines of progress before it where a stream is asked for."""
        try:
            want = wanted(await read_json(request))
            entry = self._model(want.model)
            named = entry.name + models.TAG
            if want.settings is None:
                return JSONResponse(loaded(named, time.time()))
            headers = ignored_header(want.ignored)
            caller = caller_of(request).name
            if not want.stream:
                job = await self._submit(want, entry, caller)
                end = await self._service.while_connected(request, job)
                return JSONResponse(await self._told(end, named), headers=headers)
            lines = self._lines(want, entry, caller)
            await anext(lines)  # the job is in the queue, or refused with a status of its own
            return StreamingResponse(lines, media_type="application/x-ndjson", headers=headers)
        except KakusanError as error:
            return refused(of_error(error))
        except Refusal as refusal:
            return refused(refusal)

    async def tags(self) -> Response:
        """The models there are."""
        entries = [each for each in self._service.catalog.entries if each.kind == "model"]
        told = await self._service.in_store(lambda: [models.listed(each) for each in entries])
        return JSONResponse({"models": told})

    async def show(self, request: Request) -> Response:
        """What a model is."""
        try:
            sent = await read_json(request)
            entry = self._model(model_name(sent.get("model") or sent.get("name")))
        except KakusanError as error:
            return refused(of_error(error))
        except Refusal as refusal:
            return refused(refusal)
        return JSONResponse(await self._service.in_store(models.shown, entry))

    async def version(self) -> Response:
        """Of kakusan."""
        return JSONResponse({"version": __version__})

    def _model(self, name: str) -> Entry:
        try:
            return self._service.catalog.find("model", name)
        except UnknownNameError:
            raise no_model(name) from None

    async def _submit(self, want: Wanted, entry: Entry, caller: str) -> Job:
        settings: dict[str, Any] = {**(want.settings or {}), "model": entry.name}
        if want.image is not None:
            settings["image"] = await self._service.put_input(want.image)
        asked = await self._service.asked(settings)
        return await self._service.submit(
            Submission(
                request=asked.request.to_record(),
                inputs=asked.inputs,
                client=caller,
                dialect="ollama",
                priority=Priority.WAITING,
            )
        )

    async def _lines(self, want: Wanted, entry: Entry, caller: str) -> AsyncGenerator[bytes]:
        async def hand_in() -> str:
            return (await self._submit(want, entry, caller)).id

        async with self._waiting.job(secrets.token_hex(), hand_in) as job:
            yield b""
            try:
                async for told in self._happens(job, entry.name + models.TAG):
                    yield line(told)
            except KakusanError as error:
                yield line(of_error(error).body)
            except Refusal as refusal:
                yield line(refusal.body)

    async def _happens(self, job: str, named: str) -> AsyncGenerator[dict[str, Any]]:
        async with aclosing(self._service.events(job=job, previews=False)) as events:
            async for each in events:
                if isinstance(each, Progressed):
                    yield progress(named, each.step, each.steps, time.time())
                elif isinstance(each, Event) and each.kind in FINAL:
                    yield await self._told(await self._service.job(job), named)
                    return
        raise Refusal("the server stops; ask again later", status=503)

    async def _told(self, job: Job, named: str) -> dict[str, Any]:
        if job.state is not State.DONE:
            why = job.error or f"the job was {job.state}"
            raise Refusal(why, status=500)
        data, _ = await self._service.picture(job, 0)
        steps = max(job.steps, job.step)
        return finished(named, data, steps=steps, created=job.created, at=time.time())


async def read_json(request: Request) -> Mapping[str, object]:
    """The object in a body, whatever its type is said to be: Ollama's own examples say none.

    Raises:
        InputError: There is no JSON, or none that is taken.
        Refusal: It is something else than an object.
    """
    found = await json_of(request, any_type=True)
    if not isinstance(found, dict):
        raise Refusal("the body must be a JSON object")
    return cast("dict[str, object]", found)


def refused(refusal: Refusal) -> JSONResponse:
    """The answer to a request that is not answered as it was hoped."""
    return JSONResponse(refusal.body, refusal.status, refusal.headers)
