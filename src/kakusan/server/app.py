"""The web application: the gate, our own API, the page, and other tools' APIs beside it."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse

from kakusan import __version__
from kakusan.errors import KakusanError
from kakusan.server.access.gate import LINKED, Gate
from kakusan.server.access.headers import SafeHeaders
from kakusan.server.access.hosts import Hosts
from kakusan.server.access.limits import Limits
from kakusan.server.access.refusals import Form
from kakusan.server.access.tokens import Tokens
from kakusan.server.api import page, routers
from kakusan.server.api.counting import Counting
from kakusan.server.api.counting import router as counted
from kakusan.server.api.docs import router as docs
from kakusan.server.api.observing import Observed
from kakusan.server.api.session import router as session
from kakusan.server.dialects import a1111, ollama, openai
from kakusan.server.dialects.forms import said
from kakusan.server.metrics import Metrics
from kakusan.server.problems import Problem, problem_of
from kakusan.server.service import Service
from kakusan.server.tidying import tidying

PUBLIC = frozenset({"/", "/session", "/healthz", "/readyz", "/favicon.ico"})
PUBLIC_FOLDERS = ("/page/", LINKED)  # the page's own files, and links that are signed


def is_public(path: str) -> bool:
    """Whether a path needs no token: what shows nothing of anybody's."""
    return path in PUBLIC or path.startswith(PUBLIC_FOLDERS)


def gated(
    app: FastAPI,
    service: Service,
    tokens: Tokens,
    public: Callable[[str], bool],
    metrics: Metrics,
    form: Form,
) -> FastAPI:
    """The application, with every request checked before it comes to a route.

    Args:
        public: whether a path needs no token.
        form: says what is refused, and what goes wrong.
    """
    settings = service.settings

    app.user_middleware = [
        Middleware(Observed, metrics=metrics),
        Middleware(SafeHeaders),
        Middleware(Gate, hosts=Hosts(settings), tokens=tokens, public=public, form=form),
        Middleware(Limits, most=settings.most_bytes, patience=settings.patience, form=form),
    ]

    async def told(request: Request, error: Exception) -> JSONResponse:
        problem = _problem_of(error)
        said = form(problem, request.url.path)
        answer = JSONResponse(said.body, problem.status, said.headers, said.media_type)
        if isinstance(error, HTTPException):
            answer.headers.update(error.headers or {})
        return answer

    for kind in (KakusanError, HTTPException, RequestValidationError, Exception):
        app.add_exception_handler(kind, told)
    return app


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
    return gated(app, service, tokens, is_public, metrics, said)


def _problem_of(error: Exception) -> Problem:
    if isinstance(error, HTTPException):
        return _unrouted(error)
    return _malformed(error) if isinstance(error, RequestValidationError) else problem_of(error)


def _unrouted(error: HTTPException) -> Problem:
    title = {404: "There is no such address", 405: "The address does not take this method"}
    return Problem(
        error.status_code,
        {404: "unknown_address", 405: "wrong_method"}.get(error.status_code, "refused"),
        title.get(error.status_code, "The request was refused"),
        str(error.detail)[:1000],
    )


def _malformed(error: RequestValidationError) -> Problem:
    """What the framework finds wrong with a path, a query or a header; that is not said again."""
    first = error.errors()[0]
    where = [str(each) for each in first["loc"] if each not in ("query", "path", "body", "header")]
    field = ".".join(where)[:60] or None
    detail = f"{field or 'the request'}: {first['msg']}"[:500]
    return Problem(422, "invalid", "Something cannot be used", detail, field)
