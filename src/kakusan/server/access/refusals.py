"""How a request is turned away before any route has seen it."""

import json
from collections.abc import Mapping

from starlette.types import Scope, Send

from kakusan.server.problems import Problem


async def refuse(
    problem: Problem, scope: Scope, send: Send, more: Mapping[str, str] | None = None
) -> None:
    """Answer with a problem, a WebSocket too where the server can; else it is closed."""
    body = json.dumps(problem.to_json()).encode()
    told = {"content-type": "application/problem+json", "content-length": str(len(body))}
    told |= {**problem.headers, **(more or {})}
    headers = [(name.lower().encode(), value.encode()) for name, value in told.items()]
    prefix = "http"
    if scope["type"] == "websocket":
        if "websocket.http.response" not in scope.get("extensions", {}):
            await send({"type": "websocket.close", "code": 1008})
            return
        prefix = "websocket.http"
    await send({"type": f"{prefix}.response.start", "status": problem.status, "headers": headers})
    await send({"type": f"{prefix}.response.body", "body": body})
