"""HTTP of one replica: a request as JSON in, its picture out."""

import asyncio
from typing import Any, cast

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from kakusan import __version__
from kakusan.server.access import json_of
from kakusan.server.access.refusals import own_form
from kakusan.server.access.tokens import Tokens
from kakusan.server.api.sent import with_pictures
from kakusan.server.errors import FieldError
from kakusan.server.gated import gated
from kakusan.server.on_ray.drawing import Drawer, Handed
from kakusan.server.pictures import MEDIA_TYPES, PixelBudget
from kakusan.server.settings import Settings

HEALTH = "/healthz"


def app_of(drawer: Drawer, settings: Settings, tokens: Tokens) -> FastAPI:
    """The application, with the checks of the server."""
    app = FastAPI(
        title="kakusan",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    budget = PixelBudget()

    @app.get(HEALTH)
    async def health() -> Response:
        return JSONResponse({"status": "ok"})

    @app.post("/")
    async def draw(request: Request) -> Response:
        sent = await json_of(request)
        if not isinstance(sent, dict):
            raise FieldError("body", "the body must be a JSON object")
        handed = Handed(budget)
        given = await with_pictures(cast("dict[str, Any]", sent), handed)
        wanted = await asyncio.to_thread(drawer.asked, given)
        data = await asyncio.to_thread(drawer.drawn, wanted, handed.by_id)
        return Response(data, media_type=MEDIA_TYPES["png"])

    return gated(app, settings, tokens, lambda path: path == HEALTH, own_form)
