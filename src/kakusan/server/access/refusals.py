"""How a request is turned away before any route has seen it."""

import json
from collections.abc import Mapping

from starlette.types import Scope, Send

from kakusan.server.access.unauthorized import unauthorized
from kakusan.server.problems import Problem


async def refuse(
    problem: Problem, scope: Scope, send: Send, more: Mapping[str, str] | None = None
) -> None:
    """Answer with a problem, a WebSocket too where the server can; else it is closed."""
    found, kind = problem.to_json(), "application/problem+json"
    more = {**problem.headers, **(more or {})}
    if problem.status == 401:
        found, scheme, kind = unauthorized(scope["path"])
        more["www-authenticate"] = scheme
    body = json.dumps(found).encode()
    told = {"content-type": kind, "content-length": str(len(body)), **more}
    headers = [(name.lower().encode(), value.encode()) for name, value in told.items()]
    prefix = "http"
    if scope["type"] == "websocket":
        if "websocket.http.response" not in scope.get("extensions", {}):
            await send({"type": "websocket.close", "code": 1008})
            return
        prefix = "websocket.http"
    await send({"type": f"{prefix}.response.start", "status": problem.status, "headers": headers})
    await send({"type": f"{prefix}.response.body", "body": body})
