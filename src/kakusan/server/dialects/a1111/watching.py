"""What callers do while pictures are drawn: look how far they are, interrupt, skip."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fastapi import Request

from kakusan.server.access import caller_of
from kakusan.server.dialects.a1111.calls import DIALECT
from kakusan.server.dialects.a1111.progress import (
    Seen,
    current,
    pending,
    progress_of,
    progress_of_task,
    task_of,
)
from kakusan.server.dialects.a1111.route import body_of
from kakusan.server.dialects.a1111.state import Options
from kakusan.server.dialects.a1111.values import as_bool, as_int
from kakusan.server.queue.job import Job, State, Stop
from kakusan.server.service import Service

_WATCHED = 5.0  # seconds after a look in which previews are made
_MOST_JOBS = 200


@dataclass(frozen=True)
class Watching:
    """What looks at one server's jobs have in common."""

    service: Service
    options: Options
    _watched: dict[str, asyncio.Task[None]] = field(default_factory=dict[str, Any])

    async def progress(self, request: Request) -> dict[str, Any]:
        """How far the caller's oldest job is."""
        wanted = not _is_true(request.query_params.get("skip_current_image", "false"))
        job = current(await self._live(request))
        return progress_of(job, self._seen(job, with_preview=wanted and self._shows(request)))

    async def internal_progress(self, request: Request) -> dict[str, Any]:
        """How far the caller's job of one task is."""
        sent = await body_of(request)
        task, shown = sent.get("id_task"), _whole(sent.get("id_live_preview"))
        jobs = [job for job in await self._jobs(request) if task_of(job) == task]
        job = jobs[0] if task and jobs else None
        wanted = _is_true(sent.get("live_preview", True)) and self._shows(request)
        seen = self._seen(job, with_preview=wanted)
        return progress_of_task(job, seen, shown=shown, wanted=wanted)

    async def pending_tasks(self, request: Request) -> dict[str, Any]:
        """The caller's tasks that wait or are drawn."""
        return pending(await self._live(request))

    async def interrupt(self, request: Request) -> Mapping[str, Any]:
        """Have the caller's running jobs end with what there is; where none runs, the next one."""
        await self._stop(request)
        return {}

    async def skip(self, request: Request) -> None:
        """The same: a job's pictures are drawn side by side, so that none comes after another."""
        await self._stop(request)

    async def _stop(self, request: Request) -> None:
        jobs = await self._live(request)
        running = [job for job in jobs if job.state is State.RUNNING]
        waiting = current(jobs)
        for job in running or ([] if waiting is None else [waiting]):
            await self.service.stop(job.id, Stop.INTERRUPT)

    async def _live(self, request: Request) -> list[Job]:
        """The caller's own of this dialect that wait or are drawn."""
        running = await self._jobs(request, State.RUNNING)
        return [*running, *await self._jobs(request, State.QUEUED)]

    async def _jobs(self, request: Request, state: State | None = None) -> list[Job]:
        """The caller's own of this dialect, the newest first."""
        caller = caller_of(request).name
        jobs = await self.service.jobs(state=state, client=caller, limit=_MOST_JOBS)
        return [job for job in jobs if job.submission.dialect == DIALECT]

    def _shows(self, request: Request) -> bool:
        """Whether the caller's settings want previews."""
        return self.options.of(caller_of(request).name)["live_previews_enable"]

    def _seen(self, job: Job | None, *, with_preview: bool) -> Seen:
        if job is None or job.state is not State.RUNNING:
            return Seen()
        board = self.service.board
        preview = None
        if with_preview:
            self._watch(job.id)
            preview = board.preview(job.id)
        now = board.progress(job.id)
        if now is None:
            return Seen(job.step, job.steps, preview=preview)
        media = "image/webp" if preview is not None and preview[:4] == b"RIFF" else "image/jpeg"
        return Seen(now.step, now.steps, now.eta_s, preview, media)

    def _watch(self, job: str) -> None:
        """Have previews made for some seconds: who polls holds no connection open."""
        running = self._watched.pop(job, None)
        if running is not None:
            running.cancel()
        task = asyncio.get_running_loop().create_task(self._held(job))
        self._watched[job] = task
        task.add_done_callback(lambda done: self._forget(job, done))

    async def _held(self, job: str) -> None:
        with self.service.board.watch(job):
            await asyncio.sleep(_WATCHED)

    def _forget(self, job: str, task: "asyncio.Task[None]") -> None:
        if self._watched.get(job) is task:
            del self._watched[job]


def _is_true(value: object) -> bool:
    try:
        return as_bool(value)
    except ValueError:
        return False


def _whole(value: object) -> int:
    try:
        return as_int(value)
    except (TypeError, ValueError, OverflowError):
        return -1
