"""How each API says that a token is needed: a client asks again, or tells its user, by that."""

from typing import Any, NamedTuple

from kakusan.server.problems import Problem

PROBLEM = Problem(
    401, "no_token", "A token is needed", "send Authorization: Bearer TOKEN, or log in at /session"
)
_BASIC = 'Basic realm="kakusan", charset="UTF-8"'


class Unauthorized(NamedTuple):
    """The body of an answer, and the kind of authorization that is asked for."""

    body: dict[str, Any]
    scheme: str
    media_type: str = "application/json"


def unauthorized(path: str) -> Unauthorized:
    """What is answered to a request without a token that is known."""
    if path.startswith("/sdapi/"):  # clients give a name and a password, which is the token
        detail = "Incorrect username or password"
        told = "the password is the server's token, the name is anything"
        body = {"error": "HTTPException", "detail": detail, "body": "", "errors": told}
        return Unauthorized(body, _BASIC)
    if path.startswith("/v1/images/"):
        error = {
            "message": "Incorrect API key: it must be the server's token",
            "type": "invalid_request_error",
            "param": None,
            "code": "invalid_api_key",
        }
        return Unauthorized({"error": error}, "Bearer")
    return Unauthorized(PROBLEM.to_json(), "Bearer", "application/problem+json")
