"""Counts what happens to jobs, from the events that the queue keeps, and answers `/metrics`."""

import asyncio
import logging
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from kakusan.server.api.health import reasons
from kakusan.server.logs import details, writes_prompts
from kakusan.server.metrics import Metrics, Now, Values
from kakusan.server.queue.errors import StoreError
from kakusan.server.queue.job import Event, Job, State
from kakusan.server.service import Service
from kakusan.server.stream import FINAL, PATIENCE

logger = logging.getLogger(__name__)


class Counting:
    """Follows the queue's events; to be run as a task."""

    def __init__(self, service: Service, metrics: Metrics) -> None:
        self._service, self._metrics = service, metrics
        self._now = Now(metrics.registry)

    async def run(self) -> None:
        """Count until it is cancelled."""
        service = self._service
        seen: int | None = None
        with service.changes.listener() as changes, self._calls():
            while not service.changes.closed:
                try:
                    if seen is None:
                        seen = await service.in_store(service.store.last_event)
                    for event in await service.in_store(service.store.events, after=seen):
                        seen = event.seq
                        await self._count(event)
                except StoreError as error:
                    logger.warning("%s", error)
                await changes.wait(PATIENCE)

    @contextmanager
    def _calls(self) -> Generator[None]:
        """Counts calls of the database meanwhile."""
        metrics, told = self._metrics, self._service.store.on_call

        def count(seconds: float, failed: bool) -> None:
            metrics.database.observe(seconds)
            if failed:
                metrics.database_errors.inc()

        told.append(count)
        try:
            yield
        finally:
            told.remove(count)

    async def _count(self, event: Event) -> None:
        metrics = self._metrics
        if event.kind == "picture":
            metrics.pictures.inc()
        if event.kind not in ("started", *FINAL):
            return
        job = await self._service.in_store(self._service.store.job, event.job)
        if job is None:
            return
        if event.kind == "started":
            if job.attempts == 1 and job.started is not None:
                metrics.queue_wait.observe(max(0.0, job.started - job.created))
            return
        metrics.jobs.labels(event.kind, job.submission.dialect).inc()
        if job.started is not None and job.finished is not None:
            metrics.job_seconds.observe(max(0.0, job.finished - job.started))
        logger.info("job %s %s", job.id, event.kind, extra=_told(job))

    async def look(self) -> None:
        """Note what is so now, as far as it can be told."""
        values, why = Values(), list[str]()
        try:
            why = await reasons(self._service)
            await self._look_into_store(values)
        except StoreError as error:
            why.append("database")
            logger.warning("%s", error)
        ready = "1 where a job would be taken and drawn, as /readyz tells."
        values["kakusan_ready"] = (ready, 0 if why else 1)
        self._now.values = values

    async def _look_into_store(self, values: Values) -> None:
        service = self._service
        counts = await service.in_store(service.store.counts)
        values["kakusan_jobs_waiting"] = ("Jobs that wait.", counts.get(State.QUEUED, 0))
        values["kakusan_jobs_running"] = ("Jobs that run.", counts.get(State.RUNNING, 0))
        since = await service.in_store(service.store.waiting_since)
        oldest = 0.0 if since is None else max(0.0, time.time() - since)
        says = "Since the oldest that waits was handed in."
        values["kakusan_queue_oldest_seconds"] = (says, oldest)
        size = await service.in_store(service.store.size)
        values["kakusan_store_bytes"] = ("Of all pictures that are kept.", size)
        free = await service.in_store(service.files.free_bytes)
        values["kakusan_disk_free_bytes"] = ("Of the disk with the pictures.", free)


def _told(job: Job) -> dict[str, Any]:
    """What the log says of a job that has ended."""
    began, ended = job.started, job.finished
    request = job.submission.request if writes_prompts() else {}
    return details(
        job_id=job.id,
        ms=None if began is None or ended is None else round(1000 * (ended - began)),
        prompt=request.get("prompt"),
        negative_prompt=request.get("negative_prompt"),
    )


def router(counting: Counting, metrics: Metrics) -> APIRouter:
    """`/metrics`."""
    found = APIRouter(tags=["operations"])

    @found.get("/metrics", response_class=Response)
    async def shown() -> Response:
        """Prometheus' text."""
        await counting.look()
        text = await asyncio.to_thread(generate_latest, metrics.registry)
        return Response(text, media_type=CONTENT_TYPE_LATEST)

    return found
