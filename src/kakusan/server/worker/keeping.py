"""What a worker writes: pictures, states of long jobs, and how jobs end."""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from kakusan.images.metadata import encoded
from kakusan.pipeline.output import Picture
from kakusan.pipeline.tiled import TiledDrawing
from kakusan.server.queue.errors import LeaseLost, StoreError
from kakusan.server.queue.files import Files
from kakusan.server.queue.job import Job, State, StoredPicture
from kakusan.server.queue.store import Store
from kakusan.server.worker.asked import told
from kakusan.server.worker.catalog import Catalog
from kakusan.server.worker.entries import Entry
from kakusan.server.worker.running import Running
from kakusan.server.worker.saved import Kept, kept, saved
from kakusan.server.worker.watching import Board

logger = logging.getLogger(__name__)
T = TypeVar("T")
_AGAIN_S = 2.0  # between tries to write what a full disk or a database does not take


class Keeping:
    """Writes for one worker; where nothing can be written, it waits with what it holds.

    Args:
        beat: is called while it waits.
    """

    def __init__(
        self,
        store: Store,
        files: Files,
        catalog: Catalog,
        board: Board,
        beat: Callable[[], object],
    ) -> None:
        self._store, self._files, self._catalog, self._board = store, files, catalog, board
        self._beat = beat

    def keep(self, running: Running, index: int, picture: Picture) -> None:
        """Keep a finished picture: its file, then its row.

        Raises:
            LeaseLost: Another holds the job.
        """
        assert running.asked is not None
        record = told(picture.record, running.asked.model, self._catalog)
        data = encoded(picture.image, "PNG", record)

        def write() -> None:
            file, sha256, size = self._files.put_picture(running.job.id, index, data, ".png")
            stored = StoredPicture(
                index=index,
                file=file,
                sha256=sha256,
                size=size,
                width=picture.image.width,
                height=picture.image.height,
                record=record,
            )
            self._store.add_picture(running.job, stored)

        self._until_taken(running, write)
        running.finished.add(index)

    def finish(self, running: Running, state: State, error: str | None) -> bool:
        """End a job; whether that was possible: one that another holds is left to that one."""
        try:
            self._until_taken(running, lambda: self._store.finish(running.job, state, error))
        except LeaseLost:
            return False
        self._files.drop_latents(running.job.id)
        return True

    def release(self, running: Running) -> None:
        """Let a job wait again."""
        try:
            self._store.release(running.job)
        except (LeaseLost, StoreError) as error:  # then its lease ends by itself
            logger.warning("a job was not given back: %s", error)

    def save(self, running: Running) -> None:
        """Keep where the pictures of a job are, if that can be told."""
        began = time.monotonic()
        running.saved_at = began
        if running.asked is None or isinstance(running.drawing, TiledDrawing):
            return
        ways = {
            lane.of.way.trajectory.pictures.start: lane.of.way.trajectory for lane in running.live
        }
        data = saved(running.job, ways, running.asked.model.name)
        if data is None or running.lost:
            return
        try:
            self._files.put_latents(running.job.id, data)
        except StoreError as error:
            logger.warning("the state of a job was not kept: %s", error)
        running.save_cost = time.monotonic() - began
        running.saved_at = time.monotonic()

    def kept(self, path: Path, job: Job, model: Entry) -> Kept | None:
        """What was kept of a job."""
        found = kept(path, job, model.name)
        if found is None:
            logger.warning("what was kept of a job does not fit it any more; it begins anew")
        return found

    def _until_taken(self, running: Running, write: Callable[[], T]) -> T:
        while True:
            try:
                return write()
            except StoreError as error:
                logger.warning("waiting until it can be written: %s", error)
                if running.lost:
                    raise LeaseLost("the job is another's by now") from error
                self._beat()
                time.sleep(_AGAIN_S)
