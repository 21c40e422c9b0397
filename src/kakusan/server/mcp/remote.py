"""A running server as a studio, asked through its own API."""

import http.client
import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, cast
from urllib.parse import urlencode, urlsplit

import anyio

from kakusan.errors import InputError, reason, shown
from kakusan.server.mcp.studio import Drawn, PictureId, Status, StudioError

_PATIENCE = 30.0  # seconds for one answer
_MOST_BYTES = 64 * 2**20
_ID = re.compile(r"[0-9A-Za-z-]{1,64}")


class Remote:
    """The server at an address.

    Args:
        url: such as `http://127.0.0.1:7860`.
        token: that the server asks for; None where it asks for none.

    Raises:
        InputError: The address is none, or has more than a server's.
    """

    def __init__(self, url: str, token: str | None = None) -> None:
        split = urlsplit(url)
        try:
            port = split.port
        except ValueError:
            port = -1
        plain = not (split.query or split.fragment or split.username or split.password)
        if split.scheme not in ("http", "https") or not split.hostname or port == -1 or not plain:
            raise InputError(
                f"{shown(url)} is no address of a server; it looks like http://127.0.0.1:7860"
            )
        self._secure, self._host, self._port = split.scheme == "https", split.hostname, port
        self._base = split.path.rstrip("/")
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}

    async def submit(self, settings: Mapping[str, Any]) -> str:
        """The id of the job that draws this."""
        return _text(await self._json("POST", "/v1/jobs", settings), "id")

    async def status(self, job: str) -> Status:
        """Where a job stands."""
        return _status(await self._json("GET", _path(job)))

    async def cancel(self, job: str) -> Status:
        """Cancel a job, and say where it stands then."""
        known = await self.status(job)
        if known.is_final:
            return known
        return _status(await self._json("PATCH", _path(job), {"stop": "cancel"}))

    async def picture(self, which: PictureId, *, file_format: str, size: int | None) -> bytes:
        """A picture's file."""
        query = urlencode({"format": file_format} | ({} if size is None else {"size": size}))
        return await self._ask("GET", f"{_path(which.job)}/pictures/{which.index}?{query}")

    async def put_picture(self, data: bytes) -> object:
        """Hand a picture in; what stands for it in settings."""
        told = _object(await self._ask("POST", "/v1/inputs", data, "image/png"))
        return _text(told, "id")

    async def models(self) -> Sequence[Mapping[str, Any]]:
        """What can be drawn with."""
        told = await self._json("GET", "/v1/models")
        given = told.get("data", ())
        return [{**_mapping(each), "name": _mapping(each).get("id")} for each in _list(given)]

    async def _json(
        self, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> Mapping[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        return _object(await self._ask(method, path, data, "application/json"))

    async def _ask(
        self, method: str, path: str, data: bytes | None = None, kind: str | None = None
    ) -> bytes:
        return await anyio.to_thread.run_sync(
            self._answer, method, path, data, kind, abandon_on_cancel=True
        )

    def _answer(self, method: str, path: str, data: bytes | None, kind: str | None) -> bytes:
        headers = self._headers | ({"Content-Type": kind} if data is not None and kind else {})
        connect = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        connection = connect(self._host, self._port, timeout=_PATIENCE)
        try:
            connection.request(method, self._base + path, data, headers)
            answer = connection.getresponse()
            body = answer.read(_MOST_BYTES)
        except (OSError, http.client.HTTPException) as error:
            raise StudioError(
                f"the server at {self._host} does not answer: {reason(error)}; is it running?"
            ) from None
        finally:
            connection.close()
        if answer.status >= 300:
            raise StudioError(_why(answer.status, body))
        return body


def _path(job: str) -> str:
    if not _ID.fullmatch(job):
        raise StudioError("there is no job of this id")
    return f"/v1/jobs/{job}"


def _why(status: int, body: bytes) -> str:
    """What a server says of an error, as our own API has it."""
    try:
        told = _object(body)
    except StudioError:
        told = {}
    detail = told.get("detail") or told.get("title")
    if status == 401:
        return "the server asks for a token; give its file as --token-file"
    return str(detail) if detail else f"the server answered {status}"


def _status(told: Mapping[str, Any]) -> Status:
    job = _text(told, "id")
    pictures = [_mapping(each) for each in _list(told.get("pictures", ()))]
    return Status(
        job=job,
        state=_text(told, "state"),
        step=_whole(told.get("step")) or 0,
        steps=_whole(told.get("steps")) or 0,
        ahead=_whole(told.get("position")),
        error=str(told["error"]) if told.get("error") else None,
        pictures=[_drawn(job, each, index) for index, each in enumerate(pictures)],
    )


def _drawn(job: str, told: Mapping[str, Any], index: int) -> Drawn:
    number = _whole(told.get("index"))
    return Drawn(
        id=PictureId(job, index if number is None else number),
        width=_whole(told.get("width")) or 0,
        height=_whole(told.get("height")) or 0,
        size=_whole(told.get("size")),
        record=_mapping(told.get("record")),
    )


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        raise StudioError("the server's answer is none of kakusan's; is the address right?")
    return cast("dict[str, Any]", told)


def _text(told: Mapping[str, Any], name: str) -> str:
    if not isinstance(told.get(name), str):
        raise StudioError(f"the server's answer has no {name}; is it one of kakusan's?")
    return told[name]


def _mapping(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def _list(value: object) -> Sequence[object]:
    return cast("list[object]", value) if isinstance(value, list) else ()


def _whole(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if math.isfinite(value) else None
