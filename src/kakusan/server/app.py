"""The web application: the gate, our own API, the page, and other tools' APIs beside it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from kakusan import __version__
from kakusan.server.access.gate import LINKED
from kakusan.server.access.tokens import Tokens
from kakusan.server.api import page, routers
from kakusan.server.api.counting import Counting
from kakusan.server.api.counting import router as counted
from kakusan.server.api.docs import router as docs
from kakusan.server.api.session import router as session
from kakusan.server.dialects import a1111, ollama, openai
from kakusan.server.dialects.forms import said
from kakusan.server.gated import gated
from kakusan.server.metrics import Metrics
from kakusan.server.service import Service
from kakusan.server.tidying import tidying

PUBLIC = frozenset({"/", "/session", "/healthz", "/readyz", "/favicon.ico"})
PUBLIC_FOLDERS = ("/page/", LINKED)  # the page's own files, and links that are signed


def is_public(path: str) -> bool:
    """Whether a path needs no token: what shows nothing of anybody's."""
    return path in PUBLIC or path.startswith(PUBLIC_FOLDERS)


def app_of(service: Service, tokens: Tokens, metrics: Metrics | None = None) -> FastAPI:
    """All of it on the main port.

    Args:
        metrics: which the worker's are in, too.
    """
    metrics = Metrics() if metrics is None else metrics
    counting = Counting(service, metrics)

    @asynccontextmanager
    async def alive(_app: FastAPI) -> AsyncGenerator[None]:
        async with service:
            tasks = [asyncio.create_task(each) for each in (counting.run(), tidying(service))]
            yield
            for task in tasks:
                task.cancel()

    app = FastAPI(
        title="kakusan",
        version=__version__,
        lifespan=alive,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.include_router(session(tokens))
    for each in routers(service):
        app.include_router(each)
    app.include_router(counted(counting, metrics))
    app.include_router(docs(app))
    for each in (a1111.router(service), openai.router(service), ollama.router(service)):
        app.include_router(each)
    app.include_router(page.router())
    return gated(app, service.settings, tokens, is_public, said, metrics)
