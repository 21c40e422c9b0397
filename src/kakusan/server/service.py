"""What every API calls: hand a job in, watch it, take its pictures. Of the event loop's side.

The store and pictures work in threads; nothing here blocks the loop.
"""

import asyncio
import tempfile
from collections.abc import AsyncGenerator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeVar

from kakusan.errors import KakusanError
from kakusan.server.again import asked_again
from kakusan.server.asked import Asked, asked
from kakusan.server.errors import ClientLeft, DiskLow, Draining, UnknownFile, UnknownJob
from kakusan.server.pictures import (
    MEDIA_TYPES,
    InputPicture,
    PixelBudget,
    checked_format,
    media_type_of,
    opened_input,
    rendered,
)
from kakusan.server.queue.files import Files
from kakusan.server.queue.job import Job, State, Stop, Submission
from kakusan.server.queue.store import Store
from kakusan.server.readable import told_by
from kakusan.server.settings import Settings
from kakusan.server.stream import FINAL, PATIENCE, TICK, Changes, Happening, Placed, Watched
from kakusan.server.worker.catalog import Catalog
from kakusan.server.worker.watching import Board

if TYPE_CHECKING:
    from starlette.requests import Request as HttpRequest

_STORE_THREADS, _DECODE_THREADS = 16, 2
Args = ParamSpec("Args")
Result = TypeVar("Result")


class Service:
    """The queue, the catalog and the board, for callers in the event loop.

    Attributes:
        draining: whether nothing new is taken, as the server is about to stop.
        is_worker_late: tells whether the worker should have been seen alive by now; None where
            there is none here.
    """

    def __init__(
        self, store: Store, files: Files, catalog: Catalog, board: Board, settings: Settings
    ) -> None:
        self.store, self.files, self.catalog, self.board = store, files, catalog, board
        self.settings = settings
        self.draining = False
        self.is_worker_late: Callable[[], bool] | None = None
        self.changes = Changes()
        self._budget = PixelBudget()
        self._in_store = ThreadPoolExecutor(_STORE_THREADS, "store")
        self._in_pictures = ThreadPoolExecutor(_DECODE_THREADS, "pictures")

    async def __aenter__(self) -> "Service":
        self.changes.begin()
        self.store.on_change.append(self.changes.tell)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close_waits()
        self.store.on_change.remove(self.changes.tell)
        for pool in (self._in_store, self._in_pictures):
            pool.shutdown(wait=False, cancel_futures=True)

    def close_waits(self) -> None:
        """End all streams, and whatever waits for a job."""
        self.draining = True
        self.changes.close()

    async def submit(self, submission: Submission) -> Job:
        """The job, which is kept when this returns; the same again for the same key.

        Raises:
            QueueFull: Too many wait.
            KeyReused: The key was used for something else.
            Draining: The server is about to stop.
            DiskLow: There is no room for pictures.
            StoreError: The database does not take it.
        """
        if self.draining:
            raise Draining("the server is about to stop; try again in a while")
        await self.check_disk()
        return await self.in_store(
            self.store.submit, submission, most_waiting=self.settings.most_waiting
        )

    async def check_disk(self) -> None:
        """Raise `DiskLow` where pictures have no room."""
        free = await self.in_store(self.files.free_bytes)
        if free < self.settings.disk_floor:
            raise DiskLow(
                f"the disk has {free // 2**20} MB free, and {self.settings.disk_floor // 2**20} MB "
                "are kept free; delete jobs, or make room"
            )

    async def asked(self, settings: Mapping[str, Any]) -> Asked:
        """A request of settings, checked against the catalog; see `kakusan.server.asked`.

        Raises:
            InputError: Something cannot be used.
        """
        return await self.in_pictures(asked, settings, catalog=self.catalog, server=self.settings)

    async def warm(self) -> None:
        """Have ready what the first request would wait for: imports, and the model's shape."""
        with suppress(KakusanError):
            await self.asked({"prompt": "a picture"})

    async def job(self, id: str, *, client: str | None = None) -> Job:
        """A job.

        Args:
            client: whose it must be; None is anyone's.

        Raises:
            UnknownJob: There is none, or it is another's.
        """
        found = await self.in_store(self.store.job, id)
        if found is None or client not in (None, found.submission.client):
            raise UnknownJob("there is no job of this id")
        return found

    async def jobs(
        self,
        *,
        state: State | None = None,
        client: str | None = None,
        text: str | None = None,
        after: str | None = None,
        limit: int = 50,
    ) -> list[Job]:
        """Jobs, the newest first."""
        return await self.in_store(
            self.store.jobs, state=state, client=client, text=text, after=after, limit=limit
        )

    async def finished(self, id: str, timeout: float | None = None) -> Job:
        """The job once it is at its end; it cancels nothing.

        Raises:
            UnknownJob: There is none, or not any longer.
            TimeoutError: It took longer.
            Draining: The server stops.
        """
        async with asyncio.timeout(timeout):
            with self.changes.listener() as changes:
                while not (found := await self.job(id)).state.is_final:
                    if self.changes.closed:
                        raise Draining("the server stops; the job goes on when it is there again")
                    await changes.wait(PATIENCE)
                return found

    async def while_connected(self, request: "HttpRequest", job: Job) -> Job:
        """The job once it is at its end; where the caller goes before, it is cancelled.

        Args:
            request: whose body was read.

        Raises:
            ClientLeft: The caller has gone.
            UnknownJob, Draining: as `finished`.
        """
        end = asyncio.ensure_future(self.finished(job.id))
        gone = asyncio.ensure_future(_gone(request))
        try:
            await asyncio.wait((end, gone), return_when=asyncio.FIRST_COMPLETED)
            if end.done():
                return end.result()
            await self.stop(job.id, Stop.CANCEL)
            raise ClientLeft("the caller has gone; the job was cancelled")
        finally:
            for task in (end, gone):
                task.cancel()

    async def events(
        self,
        *,
        job: str | None = None,
        client: str | None = None,
        after: int | None = None,
        previews: bool = True,
    ) -> AsyncGenerator[Happening]:
        """What happens, from now on; of one job all, to its end.

        Args:
            job: of this one; None is of all.
            client: of whose jobs.
            after: the last kept event that the caller has; None is none of one job, and of all
                jobs what happened until now.
            previews: whether to make and tell them.
        """
        seen = after
        if seen is None:
            seen = 0 if job is not None else await self.in_store(self.store.last_event)
        place = -1
        with self.changes.listener() as changes, Watched(self.board, previews=previews) as watched:
            for each in await self._running(job, client):
                watched.take(each.id)
            while not self.changes.closed:
                found = await self.in_store(self.store.events, after=seen, job=job, client=client)
                for event in found:
                    seen = event.seq
                    watched.heed(event)
                    yield event
                    if job is not None and event.kind in FINAL:
                        return
                if found:
                    continue
                if job is not None and not watched:
                    now = await self.in_store(self.store.job, job)
                    if now is None or (now.state.is_final and after is not None):
                        return
                    if now.state is State.QUEUED:
                        before = await self.in_store(self.store.place, job)
                        if before is not None and before != place:
                            place = before
                            yield Placed(job=job, place=place)
                for each in watched.news():
                    yield each
                if self.store.shared and watched.misses:
                    for each in await self.in_store(watched.drawn_elsewhere, self.store.job):
                        yield each
                await changes.wait(TICK if watched else PATIENCE)

    async def _running(self, job: str | None, client: str | None) -> list[Job]:
        if job is None:
            return await self.jobs(state=State.RUNNING, client=client, limit=200)
        found = await self.in_store(self.store.job, job)
        return [found] if found is not None and found.state is State.RUNNING else []

    async def stop(self, id: str, stop: Stop) -> Job:
        """Ask a job to end early; what is at its end stays as it is.

        Raises:
            UnknownJob: There is none.
        """
        return _found(await self.in_store(self.store.stop, id, stop))

    async def move(
        self,
        id: str,
        *,
        priority: int | None = None,
        to: Literal["first", "last"] | None = None,
        before: str | None = None,
    ) -> Job:
        """Move a waiting job in the queue.

        Raises:
            UnknownJob: There is none.
        """
        moved = await self.in_store(self.store.move, id, priority=priority, to=to, before=before)
        return _found(moved)

    async def delete(self, id: str) -> None:
        """Forget a job and its pictures; one that runs is cancelled first.

        Raises:
            UnknownJob: There is none.
        """
        if not await self.in_store(self.store.delete, id):
            raise UnknownJob("there is no job of this id")

    async def asked_again(self, job: Job) -> dict[str, Any]:
        """The settings of a job, to be handed in once more; see `kakusan.server.again`.

        Raises:
            UnknownInput: A picture is not kept any more.
        """
        return await self.in_pictures(asked_again, job, self.files)

    async def picture(
        self, job: str | Job, index: int, *, format: str = "png", size: int | None = None
    ) -> tuple[bytes, str]:
        """A picture's file and its media type.

        Args:
            format: png, jpeg or webp.
            size: of its longer side in pixels; None is its own, and the file tells how it was made.

        Raises:
            UnknownJob, UnknownFile: There is none.
            InputError: There is no such format.
        """
        found = await self.job(job) if isinstance(job, str) else job
        kind = checked_format(format)
        stored = next((each for each in found.pictures if each.index == index), None)
        if stored is None:
            raise UnknownFile(f"the job has {len(found.pictures)} pictures by now")
        try:
            data = await self.in_store(lambda: self.files.picture(stored.file).read_bytes())
        except OSError:
            raise UnknownFile("the picture's file is gone") from None
        if size is None and media_type_of(data) == MEDIA_TYPES[kind]:
            return data, MEDIA_TYPES[kind]
        record = dict(stored.record)
        made = await self.in_pictures(rendered, data, kind, size, record, self._budget)
        return made, MEDIA_TYPES[kind]

    async def put_input(self, data: bytes) -> InputPicture:
        """Keep a picture that jobs are made from.

        Raises:
            InputError: It is no PNG, JPEG or WebP picture, broken, or too large.
            DiskLow: There is no room.
        """
        await self.check_disk()
        image, png = await self.in_pictures(opened_input, data, self._budget)
        return InputPicture(await self.in_store(self.files.put_input, png), image)

    async def input(self, id: str) -> InputPicture:
        """A picture that was kept.

        Raises:
            UnknownInput: There is none.
        """
        data = await self.in_store(lambda: self.files.input(id).read_bytes())
        image, _ = await self.in_pictures(opened_input, data, self._budget)
        return InputPicture(id, image)

    async def read(self, data: bytes) -> Mapping[str, Any]:
        """How a picture was made, as its file tells it: ours, or another tool's.

        Raises:
            InputError: It is no picture, or tells nothing.
        """
        return await self.in_pictures(_read, data, self.settings.data, self.catalog)

    @property
    def is_worker_alive(self) -> bool:
        """Whether the worker does something, as far as can be told; true where none is here."""
        return self.is_worker_late is None or not self.is_worker_late()

    async def in_store(
        self, call: Callable[Args, Result], *args: Args.args, **named: Args.kwargs
    ) -> Result:
        """What a call of the store gives, made in one of its threads."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._in_store, lambda: call(*args, **named))

    async def in_pictures(
        self, call: Callable[Args, Result], *args: Args.args, **named: Args.kwargs
    ) -> Result:
        """What a call gives that takes a while of a processor, made in one of few threads."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._in_pictures, lambda: call(*args, **named))


def _read(data: bytes, folder: Path, catalog: Catalog) -> Mapping[str, Any]:
    # a folder, since Windows opens no file a second time that is to go when it is closed
    with tempfile.TemporaryDirectory(dir=folder, prefix="read-") as made:
        path = Path(made) / "picture"
        path.write_bytes(data)
        return told_by(path, catalog)


def _found(job: Job | None) -> Job:
    if job is None:
        raise UnknownJob("there is no job of this id")
    return job


async def _gone(request: "HttpRequest") -> None:
    """Returns when the caller's connection is closed."""
    with suppress(Exception):
        while (await request.receive())["type"] != "http.disconnect":
            pass
