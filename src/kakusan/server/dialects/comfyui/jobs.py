"""The jobs of one caller that came as graphs: found, listed, stopped."""

from collections.abc import AsyncIterator

from kakusan.server.dialects.comfyui.answers import (
    JSON,
    history_entry,
    is_history,
    is_named_so,
    is_ours,
    named,
    number_of,
    prompt_id_of,
    queue_entry,
)
from kakusan.server.errors import UnknownJob
from kakusan.server.queue.job import Job, State, Stop
from kakusan.server.service import Service

_PAGE = 200
_MOST_LISTED = 1000  # of a history
_USUAL_LISTED = 200  # where it is asked for whole, as some do ten times a second


class Jobs:
    """What `/queue`, `/history`, `/interrupt` and `/view` look at.

    Args:
        hidden: ids of jobs that are out of the history by their client's wish.
    """

    def __init__(self, service: Service, hidden: set[str]) -> None:
        self._service, self._hidden = service, hidden
        self._told: dict[str, tuple[object, JSON]] = {}

    async def of(self, prompt_id: str, client: str) -> Job | None:
        """The job that a client knows by this id."""
        service = self._service
        job = await service.in_store(service.store.job, prompt_id)
        if job is None:
            job = await service.in_store(service.store.of_key, client, key_of(prompt_id))
        if job is None or job.submission.client != client or not is_ours(job):
            return None
        return job if prompt_id_of(job) == prompt_id else None

    async def waiting(self, client: str | None) -> list[Job]:
        """Those in the queue, the next first; None is of all callers."""
        found = [job async for job in self._all(client, State.QUEUED)]
        return sorted(found, key=lambda job: (-job.submission.priority, job.position))

    async def running(self, client: str | None) -> list[Job]:
        """Those that are drawn, the oldest first."""
        return [job async for job in self._all(client, State.RUNNING)][::-1]

    async def unfinished(self, client: str | None) -> list[Job]:
        """Those that are not at their end."""
        waiting, running = await self._unfinished(client)
        return [*running, *waiting]

    async def queue(self, client: str) -> JSON:
        """The answer of `/queue`."""
        waiting, running = await self._unfinished(client)
        return {
            "queue_running": [queue_entry(job) for job in running],
            "queue_pending": [queue_entry(job) for job in waiting],
        }

    async def history(self, client: str, most: int | None, offset: int | None) -> JSON:
        """The answer of `/history`: the latest so many, or so many from an offset, oldest first."""
        seen = await self._service.in_store(self._service.store.last_event)
        asked = (seen, len(self._hidden), most, offset)
        if client not in self._told or self._told[client][0] != asked:
            self._told[client] = asked, await self._history(client, most, offset)
        return self._told[client][1]

    async def _history(self, client: str, most: int | None, offset: int | None) -> JSON:
        wanted = _USUAL_LISTED if most is None else min(most, _MOST_LISTED)
        from_the_first = offset is not None
        found: list[Job] = []
        async for job in self._all(client):
            if len(found) >= (_MOST_LISTED if from_the_first else wanted):
                break
            if is_history(job) and job.id not in self._hidden:
                found.append(job)
        found = found[::-1][offset or 0 :][:wanted]
        return {prompt_id_of(job): history_entry(job) for job in found}

    async def history_of(self, prompt_id: str, client: str) -> JSON:
        """The answer of `/history/{id}`; empty where there is none."""
        job = await self.of(prompt_id, client)
        if job is None or not is_history(job) or job.id in self._hidden:
            return {}
        return {prompt_id: history_entry(job)}

    async def hide(self, client: str, ids: list[str] | None) -> None:
        """Take jobs out of the history, all that are over where none is named.

        Their pictures stay, as ComfyUI's files do.
        """
        if ids is not None:
            found = [job for name in ids if (job := await self.of(name, client)) is not None]
        else:
            found = [job async for job in self._all(client)]
        self._hidden.update(job.id for job in found if job.state.is_final)

    async def remove(self, client: str, ids: list[str] | None) -> None:
        """Take waiting jobs out of the queue, all where none is named."""
        for job in await self.waiting(client):
            if ids is None or prompt_id_of(job) in ids:
                await self._service.stop(job.id, Stop.CANCEL)

    async def interrupt(self, client: str, prompt_id: str | None) -> None:
        """Stop a job that is drawn, all of the caller's where none is named."""
        for job in await self.running(client):
            if prompt_id in (None, prompt_id_of(job)):
                await self._service.stop(job.id, Stop.CANCEL)

    async def picture(
        self, client: str, filename: str, subfolder: str, kind: str
    ) -> tuple[Job, int] | None:
        """The job and the number of a picture with this name; None where there is none."""
        found = named(filename)
        if found is None:
            return None
        try:
            job = await self._service.job(found[0], client=client)
        except UnknownJob:
            return None
        return (job, found[1]) if is_named_so(job, found[1], filename, subfolder, kind) else None

    async def place(self, job: Job, number: float) -> None:
        """Put a waiting job before those with larger numbers, as its number says."""
        for other in await self.waiting(job.submission.client):
            if other.id != job.id and number_of(other) > number:
                await self._service.move(job.id, before=other.id)
                return

    async def next_number(self) -> int:
        """Larger than that of any job that waits or is drawn, whoever's."""
        jobs = await self.unfinished(None)
        return max((int(abs(number_of(job))) for job in jobs), default=-1) + 1

    async def _unfinished(self, client: str | None) -> tuple[list[Job], list[Job]]:
        """Those that wait, and those that run; looked at in this order, so that none is missed."""
        waiting, running = await self.waiting(client), await self.running(client)
        begun = {job.id for job in running}
        return [job for job in waiting if job.id not in begun], running

    async def _all(self, client: str | None, state: State | None = None) -> AsyncIterator[Job]:
        """A caller's jobs that came as graphs, the newest first."""
        last: str | None = None
        while True:
            page = await self._service.jobs(state=state, client=client, after=last, limit=_PAGE)
            for job in page:
                if is_ours(job):
                    yield job
            if len(page) < _PAGE:
                return
            last = page[-1].id


def key_of(prompt_id: str) -> str:
    """Under which a job is kept whose id a client chose."""
    return f"comfyui:{prompt_id}"
