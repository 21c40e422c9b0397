"""The login of the page: a token for a cookie that scripts cannot read."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from kakusan.server.access import json_of
from kakusan.server.access.callers import LOCAL
from kakusan.server.access.tokens import Tokens, cookie_name
from kakusan.server.api.schema import SESSION, SESSION_BODY, described
from kakusan.server.errors import FieldError
from kakusan.server.problems import Problem

YEAR = 365 * 24 * 3600  # seconds
_WRONG = Problem(401, "wrong_token", "The token is another", "take the one that was printed")


def router(tokens: Tokens) -> APIRouter:
    """`/session`."""
    found = APIRouter(tags=["session"])

    @found.post("/session", **described(SESSION_BODY, 200, SESSION))
    async def begin(request: Request) -> Response:
        """Take a token, and set the cookie that stands for it."""
        sent = await json_of(request)
        token = sent.get("token") if isinstance(sent, dict) else None
        if not isinstance(token, str):
            raise FieldError("token", 'the body must be {"token": TOKEN}')
        caller = tokens.of_token(token) if tokens else LOCAL
        if caller is None:
            return JSONResponse(_WRONG.to_json(), 401, {"WWW-Authenticate": "Bearer"})
        answer = JSONResponse({"name": caller.name})
        port = (request.scope.get("server") or ("", 0))[1] or 0
        answer.set_cookie(
            cookie_name(port),
            tokens.session_of(caller),
            max_age=YEAR,
            path="/",
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return answer

    @found.delete("/session", status_code=204)
    async def end(request: Request) -> Response:
        """Forget the cookie."""
        answer = Response(status_code=204)
        answer.delete_cookie(cookie_name((request.scope.get("server") or ("", 0))[1] or 0))
        return answer

    return found
