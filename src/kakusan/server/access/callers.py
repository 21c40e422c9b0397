"""Who asks, as the gate has found."""

from typing import NamedTuple

from starlette.requests import HTTPConnection

CALLER = "kakusan.caller"  # in the scope of a connection


class Caller(NamedTuple):
    """Who asks.

    Attributes:
        name: of the token that was shown; "local" where all share one, or none is needed.
    """

    name: str


LOCAL = Caller("local")


def caller_of(connection: HTTPConnection) -> Caller:
    """Who sends a request, or has opened a WebSocket."""
    found = connection.scope.get(CALLER)
    if not isinstance(found, Caller):  # the gate lets nothing through that needs one
        raise RuntimeError("this route is open to all and has no caller")
    return found
