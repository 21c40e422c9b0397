"""How large a request may be, how slowly it may come, and how much of all of them is held."""

import asyncio
import re
import time

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kakusan.server.access.refusals import Form, refuse
from kakusan.server.access.strict_json import NotJson, is_json, parsed
from kakusan.server.problems import RETRY_SOON, Problem, problem_of

SLOWEST = 20_000  # bytes a second, over the whole of a body
_BUSY = Problem(
    429, "busy", "The server is busy", "too much is being sent at once", None, RETRY_SOON
)
_SLOW = Problem(408, "too_slow", "The body came too slowly", "send it again")
_LENGTH = re.compile(r"\d{1,18}")


class _TooLarge(Exception):  # noqa: N818
    pass


class _TooSlow(Exception):  # noqa: N818
    pass


class _Left(Exception):  # noqa: N818
    pass


class Limits:
    """Reads bodies: no more than so many bytes, no slower than so, and JSON only as it should be.

    A body is read before its route is called, so that all of them together stay within
    `most_held` bytes.

    Args:
        most: bytes of one body.
        most_held: bytes of all bodies that are being worked on.
        patience: seconds between two pieces of a body.
        form: says what is refused.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        most: int,
        most_held: int | None = None,
        patience: float,
        form: Form,
    ) -> None:
        self._app, self._most, self._patience, self._form = app, most, patience, form
        self._most_held, self._held = most_held or 12 * most, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        length = headers.get("content-length")
        if length is None and "transfer-encoding" not in headers:
            await self._app(scope, receive, send)
            return
        held = _Held(self)
        try:
            body = await self._read(receive, length, held)
            if body and is_json(headers.get("content-type", "")):
                parsed(body)
        except _Left:
            return
        except (_TooLarge, _TooSlow, _Full, NotJson) as error:
            problem = self._problem(error)
            await refuse(problem, scope, send, self._form, {"Connection": "close"})
            return
        else:
            await self._app(scope, _replayed(body, receive), send)
        finally:
            held.release()

    def _problem(self, error: Exception) -> Problem:
        if isinstance(error, _TooLarge):
            megabytes = f"{self._most / 2**20:g} MB"
            return Problem(
                413, "too_large", "The body is too large", f"at most {megabytes} are taken"
            )
        if isinstance(error, NotJson):
            return problem_of(error)
        return _SLOW if isinstance(error, _TooSlow) else _BUSY

    async def _read(self, receive: Receive, length: str | None, held: "_Held") -> bytes:
        if length is not None and (not _LENGTH.fullmatch(length) or int(length) > self._most):
            raise _TooLarge
        pieces, size, began = list[bytes](), 0, time.monotonic()
        while True:
            try:
                message = await asyncio.wait_for(receive(), self._patience)
            except TimeoutError:
                raise _TooSlow from None
            if message["type"] == "http.disconnect":
                raise _Left
            piece = message.get("body", b"")
            size += len(piece)
            if size > self._most:
                raise _TooLarge
            held.take(len(piece))
            pieces.append(piece)
            if not message.get("more_body", False):
                return b"".join(pieces)
            if time.monotonic() - began > self._patience + size / SLOWEST:
                raise _TooSlow

    def take(self, size: int) -> None:
        """Hold so many bytes more."""
        if self._held + size > self._most_held:
            raise _Full
        self._held += size

    def release(self, size: int) -> None:
        """Hold so many bytes less."""
        self._held -= size


class _Full(Exception):  # noqa: N818
    pass


class _Held:
    """What is held of one request."""

    def __init__(self, limits: Limits) -> None:
        self._limits, self._size = limits, 0

    def take(self, size: int) -> None:
        self._limits.take(size)
        self._size += size

    def release(self) -> None:
        self._limits.release(self._size)


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Gives a body that was read, and then what comes after it: that the caller has gone."""
    given = False

    async def again() -> Message:
        nonlocal given
        if not given:
            given = True
            return {"type": "http.request", "body": body, "more_body": False}
        return await receive()

    return again
