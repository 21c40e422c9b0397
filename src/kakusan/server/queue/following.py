"""Hears what other processes wrote to a database that they share."""

import logging
import threading
from collections.abc import Callable, Sequence

from kakusan.server.queue.errors import StoreError
from kakusan.server.queue.job import Event

logger = logging.getLogger(__name__)
PAUSE_S = 0.5


class Following(threading.Thread):
    """Tells of each job of which there is a new event, our own ones among them.

    Args:
        events: gives those after a number, the oldest first.
        tell: is called with a job's id.
        seen: the number of the last event that is known.
    """

    def __init__(
        self,
        events: Callable[[int], Sequence[Event]],
        tell: Callable[[str], object],
        seen: int,
        pause_s: float = PAUSE_S,
    ) -> None:
        super().__init__(name="following", daemon=True)
        self._events, self._tell, self._seen, self._pause_s = events, tell, seen, pause_s
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.wait(self._pause_s):
            try:
                found = self._events(self._seen)
            except StoreError as error:  # who needs the database says so, too
                logger.debug("what others wrote is not known: %s", error)
                continue
            for job in dict.fromkeys(event.job for event in found):
                self._tell(job)
            self._seen = max([self._seen, *(event.seq for event in found)])

    def end(self) -> None:
        """Look no more."""
        self._ended.set()
        if self.is_alive():
            self.join(5.0)
