"""Every request has an id, which its answer says, and is counted and logged once it is answered."""

import hashlib
import logging
import re
import secrets
import time

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kakusan.server.access.callers import CALLER, Caller
from kakusan.server.logs import details
from kakusan.server.metrics import Metrics

logger = logging.getLogger(__name__)
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_QUIET = frozenset({"/healthz", "/readyz", "/metrics"})
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
HEADER = "X-Request-Id"


class Observed:
    """The outermost of all."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(HEADER, "")
        id = given if _ID.fullmatch(given) else secrets.token_hex(8)
        began, status, streams = time.perf_counter(), 0, False

        async def told(message: Message) -> None:
            nonlocal status, streams
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                headers = MutableHeaders(scope=message)
                headers[HEADER] = id
                status = message["status"]
                streams = headers.get("content-type", "").startswith("text/event-stream")
            await send(message)

        try:
            await self._app(scope, receive, told)
        finally:
            if scope["type"] == "http":
                seconds = time.perf_counter() - began
                self._count(scope, status, None if streams else seconds)
                self._tell(scope, status, seconds, id)

    def _count(self, scope: Scope, status: int, seconds: float | None) -> None:
        route, method = route_of(scope), scope["method"]
        known = method if method in _METHODS else "other"
        self._metrics.requests.labels(route, known, str(status)).inc()
        if seconds is not None:
            self._metrics.http_seconds.labels(route).observe(seconds)

    def _tell(self, scope: Scope, status: int, seconds: float, id: str) -> None:
        if scope["path"] in _QUIET:
            return
        caller = scope.get(CALLER)
        name = caller.name if isinstance(caller, Caller) else ""
        more = details(
            request_id=id,
            client=hashlib.sha256(name.encode()).hexdigest()[:8] if name else None,
            ms=round(1000 * seconds, 1),
            status=status,
        )
        logger.info("%s %s", scope["method"][:10], route_of(scope), extra=more)


def route_of(scope: Scope) -> str:
    """The template of the address that answered; nothing of what was asked for itself."""
    found = getattr(scope.get("route"), "path", None)
    return found if isinstance(found, str) else "none"
