"""The gate: every request and every WebSocket passes here before any route sees it."""

from collections.abc import Callable
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from kakusan.server.access.callers import CALLER
from kakusan.server.access.hosts import SAFE, Hosts, is_own
from kakusan.server.access.refusals import NO_TOKEN, Form, refuse
from kakusan.server.access.tokens import Tokens
from kakusan.server.problems import Problem

_HOST = Problem(
    421, "wrong_host", "The server is not called that", "say the address that it printed at start"
)
_FOREIGN = Problem(
    403, "foreign_page", "Another site's page sent this", "open the server's own page"
)
_ENCODED = Problem(415, "encoded", "The body is compressed", "send it as it is")


LINKED = "/files/"  # whose addresses are signed, for pages of other sites too


class Gate:
    """Checks Host, Origin and token, in this order.

    Args:
        public: whether a path needs no token.
        form: says what is refused.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        hosts: Hosts,
        tokens: Tokens,
        public: Callable[[str], bool],
        form: Form,
    ) -> None:
        self._app, self._hosts, self._tokens, self._public = app, hosts, tokens, public
        self._form = form

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        problem = self._problem(scope)
        if problem is None:
            await self._app(scope, receive, send)
        else:
            await refuse(problem, scope, send, self._form)

    def _problem(self, scope: Scope) -> Problem | None:
        headers = Headers(scope=scope)
        named = headers.getlist("host")
        if len(named) != 1 or not self._hosts.takes(named[0]):
            return _HOST
        if is_foreign(scope, headers):
            return _FOREIGN
        if headers.get("content-encoding", "identity").strip().casefold() not in ("", "identity"):
            return _ENCODED
        port = (scope.get("server") or ("", 0))[1] or 0
        cookies = "; ".join(headers.getlist("cookie"))
        caller = self._tokens.caller(headers.get("authorization"), cookies, port)
        if caller is not None:
            scope[CALLER] = caller
        elif not self._public(scope["path"]):
            return NO_TOKEN
        return None


def is_foreign(scope: Scope, headers: Headers) -> bool:
    """Whether a page of another site sends this, or may do so."""
    is_websocket = scope["type"] == "websocket"
    method: Any = "GET" if is_websocket else scope["method"]
    origin = headers.get("origin")
    if origin is not None and (is_websocket or method not in SAFE):
        return not is_own(origin, headers.get("host", ""))
    if headers.get("sec-fetch-site", "").casefold() != "cross-site":
        return False
    if method != "GET":
        return True
    follows_link = headers.get("sec-fetch-mode") == "navigate" and scope["path"] == "/"
    return not (follows_link or scope["path"].startswith(LINKED))
