"""ComfyUI's routes. Each is there under `/api` too."""

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from kakusan.errors import KakusanError
from kakusan.server.access import caller_of, json_of
from kakusan.server.dialects.comfyui import uploading, viewing
from kakusan.server.dialects.comfyui.info import object_info
from kakusan.server.dialects.comfyui.jobs import Jobs
from kakusan.server.dialects.comfyui.lists import FOLDERS, choices_of, names_of
from kakusan.server.dialects.comfyui.messages import FEATURES
from kakusan.server.dialects.comfyui.refusals import GraphError, fault
from kakusan.server.dialects.comfyui.sockets import Hub
from kakusan.server.dialects.comfyui.stats import system_stats
from kakusan.server.dialects.comfyui.submitting import Submitting
from kakusan.server.dialects.comfyui.uploads import Uploads
from kakusan.server.problems import problem_of
from kakusan.server.service import Service

IGNORED = "X-Kakusan-Ignored"
_LONGEST_HEADER = 2000
_MOST_IDS = 10_000
Handler = Callable[[Request], Awaitable[Response]]


class _Counted(Route):
    """Tells its template to whoever counts requests, as the framework's own routes do."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["route"] = self
        await super().handle(scope, receive, send)


class Routes:
    """The routes of one server, and what they share."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._jobs = Jobs(service, set())
        self._uploads = Uploads(service, self._jobs)
        self._submitting = Submitting(service, self._jobs, self._uploads)
        self._hub = Hub(service, self._jobs)

    def all(self, prefix: str) -> list[BaseRoute]:
        """Every route, behind a prefix."""
        get: list[tuple[str, Handler]] = [
            ("/prompt", self.remaining),
            ("/queue", self.queue),
            ("/history", self.history),
            ("/history/{prompt_id}", self.history_of),
            ("/view", self.view),
            ("/object_info", self.object_info),
            ("/object_info/{name:path}", self.object_info),
            ("/system_stats", self.system_stats),
            ("/embeddings", self.embeddings),
            ("/models", self.folders),
            ("/models/{folder}", self.models),
            ("/extensions", self.extensions),
            ("/features", self.features),
        ]
        post: list[tuple[str, Handler]] = [
            ("/prompt", self.submit),
            ("/queue", self.change_queue),
            ("/history", self.change_history),
            ("/interrupt", self.interrupt),
            ("/free", self.free),
            ("/upload/image", self.upload_image),
            ("/upload/mask", self.upload_mask),
        ]
        return [
            *(_Counted(prefix + path, told(handler), methods=["GET"]) for path, handler in get),
            *(_Counted(prefix + path, told(handler), methods=["POST"]) for path, handler in post),
            WebSocketRoute(prefix + "/ws", self.socket),
        ]

    async def socket(self, websocket: WebSocket) -> None:
        sid = websocket.query_params.get("clientId", "")
        await self._hub.serve(websocket, caller_of(websocket).name, sid)

    async def submit(self, request: Request) -> Response:
        body = await json_of(request, any_type=True)  # which clients call what they like
        accepted = await self._submitting.submit(caller_of(request).name, body)
        headers = {IGNORED: _in_a_header(accepted.ignored)} if accepted.ignored else {}
        return JSONResponse(accepted.answer, headers=headers)

    async def remaining(self, request: Request) -> Response:
        count = len(await self._jobs.unfinished(caller_of(request).name))
        return JSONResponse({"exec_info": {"queue_remaining": count}})

    async def queue(self, request: Request) -> Response:
        return JSONResponse(await self._jobs.queue(caller_of(request).name))

    async def change_queue(self, request: Request) -> Response:
        client, body = caller_of(request).name, await _object_in(request)
        if body.get("clear"):
            await self._jobs.remove(client, None)
        if (ids := _ids_in(body)) is not None:
            await self._jobs.remove(client, ids)
        return Response()

    async def history(self, request: Request) -> Response:
        most, offset = (_whole_in(request, name) for name in ("max_items", "offset"))
        return JSONResponse(await self._jobs.history(caller_of(request).name, most, offset))

    async def history_of(self, request: Request) -> Response:
        prompt_id = request.path_params["prompt_id"]
        return JSONResponse(await self._jobs.history_of(prompt_id, caller_of(request).name))

    async def change_history(self, request: Request) -> Response:
        client, body = caller_of(request).name, await _object_in(request)
        if body.get("clear"):
            await self._jobs.hide(client, None)
        if (ids := _ids_in(body)) is not None:
            await self._jobs.hide(client, ids)
        return Response()

    async def interrupt(self, request: Request) -> Response:
        prompt_id = (await _object_in(request)).get("prompt_id")
        wanted = None if prompt_id is None else str(prompt_id)
        await self._jobs.interrupt(caller_of(request).name, wanted)
        return Response()

    async def free(self, request: Request) -> Response:
        """The server frees memory by itself; what is asked for changes nothing."""
        asked = [name for name, value in (await _object_in(request)).items() if value]
        ignored = [f"{name}: memory is freed when it is needed" for name in asked]
        return Response(headers={IGNORED: _in_a_header(ignored)} if ignored else {})

    async def view(self, request: Request) -> Response:
        client = caller_of(request).name
        return await viewing.view(self._service, self._jobs, self._uploads, client, request)

    async def upload_image(self, request: Request) -> Response:
        return await uploading.upload(self._uploads, caller_of(request).name, request)

    async def upload_mask(self, request: Request) -> Response:
        return await uploading.upload_mask(self._uploads, caller_of(request).name, request)

    async def object_info(self, request: Request) -> Response:
        listed = self._uploads.listed(caller_of(request).name)
        choices = choices_of(self._service.catalog, listed, listed)
        return JSONResponse(object_info(choices, request.path_params.get("name")))

    async def system_stats(self, request: Request) -> Response:  # noqa: ARG002
        return JSONResponse(await self._service.in_store(system_stats))

    async def embeddings(self, request: Request) -> Response:  # noqa: ARG002
        return JSONResponse(names_of(self._service.catalog, "embedding"))

    async def folders(self, request: Request) -> Response:  # noqa: ARG002
        return JSONResponse(list(FOLDERS))

    async def models(self, request: Request) -> Response:
        folder = request.path_params["folder"]
        if folder not in FOLDERS:
            return Response(status_code=404)
        return JSONResponse(names_of(self._service.catalog, FOLDERS[folder]))

    async def extensions(self, request: Request) -> Response:  # noqa: ARG002
        return JSONResponse([])

    async def features(self, request: Request) -> Response:  # noqa: ARG002
        return JSONResponse({**FEATURES, "max_upload_size": self._service.settings.most_bytes})


def told(handler: Handler) -> Handler:
    """A route whose errors are told in ComfyUI's form."""

    async def answered(request: Request) -> Response:
        try:
            return await handler(request)
        except GraphError as error:
            return JSONResponse(error.answer, 400)
        except KakusanError as error:
            problem = problem_of(error)
            status = 400 if problem.status == 422 else problem.status
            body = {"error": fault(problem.type, problem.title, problem.detail), "node_errors": {}}
            return JSONResponse(body, status, headers=problem.headers)

    return answered


async def _object_in(request: Request) -> dict[str, Any]:
    """The JSON object of a body, which may be empty."""
    if not await request.body():
        return {}
    found = await json_of(request, any_type=True)
    return found if isinstance(found, dict) else {}


def _ids_in(body: dict[str, Any]) -> list[str] | None:
    found = body.get("delete")
    return [str(each) for each in found[:_MOST_IDS]] if isinstance(found, list) else None


def _whole_in(request: Request, name: str) -> int | None:
    """A number of the address; what is none counts for nothing, and below 0 neither."""
    text = request.query_params.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None


def _in_a_header(lines: list[str] | tuple[str, ...]) -> str:
    """Lines in one, in the letters that headers have."""
    text = "; ".join(lines).encode("ascii", "backslashreplace").decode()
    text = "".join(each if each.isprintable() else " " for each in text)
    return text if len(text) <= _LONGEST_HEADER else f"{text[: _LONGEST_HEADER - 3]}..."
