"""A web application whose every request is checked before it comes to a route."""

from collections.abc import Callable

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse

from kakusan.errors import KakusanError
from kakusan.server.access.gate import Gate
from kakusan.server.access.headers import SafeHeaders
from kakusan.server.access.hosts import Hosts
from kakusan.server.access.limits import Limits
from kakusan.server.access.refusals import Form
from kakusan.server.access.tokens import Tokens
from kakusan.server.api.observing import Observed
from kakusan.server.metrics import Metrics
from kakusan.server.problems import Problem, problem_of
from kakusan.server.settings import Settings


def gated(
    app: FastAPI,
    settings: Settings,
    tokens: Tokens,
    public: Callable[[str], bool],
    form: Form,
    metrics: Metrics | None = None,
) -> FastAPI:
    """The application, with every request checked before it comes to a route.

    Args:
        public: whether a path needs no token.
        form: says what is refused, and what goes wrong.
        metrics: which requests are counted in.
    """
    observed = [] if metrics is None else [Middleware(Observed, metrics=metrics)]
    app.user_middleware = [
        *observed,
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
