"""What a picture under way looks like, small and quickly; nothing of it goes into the picture."""

import io
import time

from PIL import Image

from kakusan.sampling import Step
from kakusan.server.worker.lanes import Lane
from kakusan.server.worker.running import Running
from kakusan.server.worker.watching import Board

LARGEST = 512  # pixels of the longer side


class Previews:
    """Makes them for who watches.

    Args:
        pause_s: between two of one job.
    """

    def __init__(self, board: Board, pause_s: float) -> None:
        self._board, self._pause_s = board, pause_s

    def show(self, lane: Lane[Running.Of]) -> None:
        """Show what a lane's picture looks like after its step, if it is time for that."""
        running, step = lane.of.running, lane.of.way.trajectory.step
        if step is None or step.is_last or not self._board.is_watched(running.job.id):
            return
        now = time.monotonic()
        if now - running.previewed_at < self._pause_s:
            return
        running.previewed_at = now
        assert running.drawing is not None
        made = preview_of(step, running.drawing.engine.scale_factor)
        self._board.show(running.job.id, made)


def preview_of(step: Step, scale_factor: int) -> bytes:
    """A JPEG of the first picture of a step as it is expected to become."""
    small = step.preview()[0]
    width, height = (side * scale_factor for side in small.size)
    share = min(1.0, LARGEST / max(width, height))
    size = (max(1, round(width * share)), max(1, round(height * share)))
    buffer = io.BytesIO()
    small.convert("RGB").resize(size, Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=80)
    return buffer.getvalue()
