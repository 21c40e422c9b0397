"""The WebSockets of ComfyUI's clients, each told of its own jobs, and all of the queue."""

import asyncio
import json
import uuid
from collections import deque
from contextlib import aclosing, suppress
from typing import Any, cast

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from kakusan.server.dialects.comfyui import messages
from kakusan.server.dialects.comfyui.answers import LONGEST_ID, client_id_of, is_ours
from kakusan.server.dialects.comfyui.jobs import Jobs
from kakusan.server.errors import UnknownJob
from kakusan.server.queue.job import Event, Job
from kakusan.server.service import Service
from kakusan.server.stream import Previewed, Progressed

_MOST_HELD = 2000  # messages that a slow client may be behind
_MOST_SEEN = 20  # of them, before previews are left out
_LAST = ("done", "failed", "cancelled", "deleted")


class Socket:
    """One client's end.

    Attributes:
        features: what it says that it can do; None before it says something.
    """

    def __init__(self, websocket: WebSocket, client: str, sid: str) -> None:
        self.websocket, self.client, self.sid = websocket, client, sid
        self.features: dict[str, Any] | None = None
        self._held: deque[str | bytes] = deque()
        self._more = asyncio.Event()
        self._greeted = False
        self.is_behind = False

    @property
    def wants_previews(self) -> bool:
        """Whether it can tell a preview from a result, and has said so."""
        return self.features is not None and messages.METADATA in self.features

    def greet(self, *lines: str) -> None:
        """What comes before everything else."""
        self._held.extendleft(reversed(lines))
        self._greeted = True
        self._more.set()

    def tell(self, line: str | bytes) -> None:
        """Send something soon, after what was said before."""
        if len(self._held) >= _MOST_HELD:
            self.is_behind = True
        elif isinstance(line, str) or len(self._held) < _MOST_SEEN:
            self._held.append(line)
        self._more.set()

    async def send_all(self) -> None:
        """Send what is told, as long as the client reads it."""
        while not self.is_behind:
            await self._more.wait()
            self._more.clear()
            while self._greeted and self._held and not self.is_behind:
                line = self._held.popleft()
                if isinstance(line, str):
                    await self.websocket.send_text(line)
                else:
                    await self.websocket.send_bytes(line)


class Hub:
    """All sockets of a server, and the one reader of what happens, there while a socket is."""

    def __init__(self, service: Service, jobs: Jobs) -> None:
        self._service, self._jobs = service, jobs
        self._sockets: dict[tuple[str, str], Socket] = {}
        self._steps: dict[str, int] = {}
        self._known: dict[str, Job] = {}
        # Whose jobs are not at their end, as far as was told: what follows comes in its order
        self._open: dict[str, str] = {}
        self._reader: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()

    async def serve(self, websocket: WebSocket, client: str, sid: str) -> None:
        """Speak with a client until it goes.

        Args:
            client: whose token it has.
            sid: how it calls itself in `client_id`; one is made for it where it is empty.
        """
        await websocket.accept()
        socket = Socket(websocket, client, sid[:LONGEST_ID] or uuid.uuid4().hex)
        key = (client, socket.sid)
        self._sockets[key] = socket  # in place of an older one, as in ComfyUI
        sender = asyncio.create_task(socket.send_all())
        receiver = asyncio.create_task(self._listen(socket))
        try:
            await self._read_on()
            await self._greet(socket)
            await asyncio.wait((sender, receiver), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sender, receiver):
                task.cancel()
            await asyncio.gather(sender, receiver, return_exceptions=True)
            if self._sockets.get(key) is socket:
                del self._sockets[key]
            if not self._sockets:
                self._stop_reading()
            if websocket.client_state is WebSocketState.CONNECTED:
                with suppress(RuntimeError, WebSocketDisconnect):
                    await websocket.close(1001)

    async def _greet(self, socket: Socket) -> None:
        remaining = len(await self._jobs.unfinished(socket.client))
        lines = [messages.status(remaining, socket.sid)]
        for job in await self._jobs.running(socket.client):
            if client_id_of(job) == socket.sid:
                lines.append(messages.at_work(job))
        socket.greet(*lines)

    async def _listen(self, socket: Socket) -> None:
        """Heed what a client says of itself; nothing else is asked for here."""
        with suppress(WebSocketDisconnect, RuntimeError):
            while True:
                said = await socket.websocket.receive()
                if said["type"] == "websocket.disconnect":
                    return
                features = _features_in(said.get("text"))
                if features is not None:
                    socket.features = features
                    socket.tell(messages.message("feature_flags", messages.FEATURES))

    async def _read_on(self) -> None:
        if self._reader is None or self._reader.done():
            self._ready.clear()
            self._reader = asyncio.create_task(self._read())
            self._reader.add_done_callback(lambda _: self._ready.set())
        await self._ready.wait()

    def _stop_reading(self) -> None:
        if self._reader is not None:
            self._reader.cancel()
            self._reader = None
        for each in (self._known, self._steps, self._open):
            each.clear()

    async def _read(self) -> None:
        """Tell sockets what happens, as long as the server runs."""
        service = self._service
        seen = await service.in_store(service.store.last_event)
        self._open = {job.id: job.submission.client for job in await self._jobs.unfinished(None)}
        self._ready.set()
        while not service.changes.closed:
            previews = self._wants_previews
            events = service.events(after=seen, previews=previews)
            async with aclosing(events):
                async for each in events:
                    seen = each.seq if isinstance(each, Event) else seen
                    await self._tell(each)
                    if previews != self._wants_previews:
                        break
                else:
                    break
        for socket in self._sockets.values():
            socket.is_behind = True  # the server stops
            socket.tell("")

    @property
    def _wants_previews(self) -> bool:
        return any(socket.wants_previews for socket in self._sockets.values())

    async def _tell(self, each: object) -> None:
        if isinstance(each, Event):
            await self._tell_event(each)
        elif isinstance(each, Progressed | Previewed):
            job = await self._job(each.job)
            socket = None if job is None else self._socket_of(job)
            if job is None or socket is None:
                return
            if isinstance(each, Progressed):
                self._tell_step(socket, job, each.step, each.steps)
            elif socket.wants_previews:
                with_metadata = bool((socket.features or {}).get(messages.METADATA))
                socket.tell(messages.preview(job, each.data, with_metadata=with_metadata))

    async def _tell_event(self, event: Event) -> None:
        self._known.pop(event.job, None)
        job = await self._job(event.job)
        client = self._open.get(event.job) if job is None else job.submission.client
        if client is None or event.kind == "picture":
            return
        if event.kind in _LAST:
            self._open.pop(event.job, None)
        else:
            self._open[event.job] = client
        if job is not None and (socket := self._socket_of(job)) is not None:
            self._tell_of(socket, job, event.kind)
        if event.kind in _LAST:
            self._known.pop(event.job, None)
            self._steps.pop(event.job, None)
        remaining = sum(owner == client for owner in self._open.values())
        for each in self._sockets.values():
            if each.client == client:
                each.tell(messages.status(remaining))

    def _tell_of(self, socket: Socket, job: Job, kind: str) -> None:
        if kind == "started":
            for line in messages.begun(job):
                socket.tell(line)
        elif kind in _LAST and job.state.is_final:
            if kind == "done" and job.steps:
                self._tell_step(socket, job, job.steps, job.steps)
            for line in messages.ended(job):
                socket.tell(line)

    def _tell_step(self, socket: Socket, job: Job, step: int, steps: int) -> None:
        if step and self._steps.get(job.id) != step:
            self._steps[job.id] = step
            socket.tell(messages.progress(job, step, steps))

    def _socket_of(self, job: Job) -> Socket | None:
        sid = client_id_of(job)
        return None if sid is None else self._sockets.get((job.submission.client, sid))

    async def _job(self, id: str) -> Job | None:
        """The job of an event, if it came as a graph."""
        if id not in self._known:
            try:
                self._known[id] = await self._service.job(id)
            except UnknownJob:
                return None
        job = self._known[id]
        return job if is_ours(job) else None


def _features_in(text: object) -> dict[str, Any] | None:
    """What a client's first message says that it can do."""
    if not isinstance(text, str) or len(text) > 100_000:
        return None
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict) or cast("dict[str, Any]", said).get("type") != "feature_flags":
        return None
    data = cast("dict[str, Any]", said).get("data")
    return cast("dict[str, Any]", data) if isinstance(data, dict) else {}
