"""How a request is turned away before any route has seen it."""

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from starlette.types import Scope, Send

from kakusan.server.problems import Problem

NO_TOKEN = Problem(
    401, "no_token", "A token is needed", "send Authorization: Bearer TOKEN, or log in at /session"
)


class Said(NamedTuple):
    """A problem as the clients of one API read it.

    Attributes:
        body: a JSON object.
        headers: beside it.
    """

    body: Mapping[str, Any]
    headers: Mapping[str, str]
    media_type: str = "application/json"


# Says a problem of a request in the words of the API whose path it has
Form = Callable[[Problem, str], Said]


def authenticating(problem: Problem, scheme: str = "Bearer") -> dict[str, str]:
    """The headers of a problem; where a token is needed, with how it is to be sent."""
    asked = {"WWW-Authenticate": scheme} if problem.status == 401 else {}
    return {**problem.headers, **asked}


def own_form(problem: Problem, path: str) -> Said:  # noqa: ARG001
    """As our own API says it."""
    return Said(problem.to_json(), authenticating(problem), "application/problem+json")


async def refuse(
    problem: Problem,
    scope: Scope,
    send: Send,
    form: Form,
    more: Mapping[str, str] | None = None,
) -> None:
    """Answer with a problem, a WebSocket too where the server can; else it is closed."""
    said = form(problem, scope["path"])
    body = json.dumps(said.body).encode()
    told = {"content-type": said.media_type, "content-length": str(len(body)), **said.headers}
    headers = [
        (name.lower().encode(), value.encode()) for name, value in {**told, **(more or {})}.items()
    ]
    prefix = "http"
    if scope["type"] == "websocket":
        if "websocket.http.response" not in scope.get("extensions", {}):
            await send({"type": "websocket.close", "code": 1008})
            return
        prefix = "websocket.http"
    await send({"type": f"{prefix}.response.start", "status": problem.status, "headers": headers})
    await send({"type": f"{prefix}.response.body", "body": body})
