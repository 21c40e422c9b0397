"""When to try again what a database would not take, and when to give up."""

import random
import sqlite3
import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.exc import SQLAlchemyError

from kakusan.errors import reason
from kakusan.server.queue.errors import StoreError

T = TypeVar("T")


class Pauses:
    """Between tries: each about twice as long as the one before, and no two callers keep step."""

    def __init__(self) -> None:
        self._next = 0.02

    def sleep(self, end: float) -> None:
        """Pause, but not beyond a time of the monotonic clock."""
        left = max(0.0, end - time.monotonic())
        time.sleep(min(left, self._next * random.uniform(0.5, 1.5)))
        self._next = min(2 * self._next, 1.0)


def retried(
    work: Callable[[int], T], patience: float, is_passing: Callable[[Exception], bool]
) -> T:
    """Do some work, which is told how often it was tried before, until it goes well.

    Raises:
        StoreError: It did not for so many seconds, or never will.
    """
    pauses, end, tries = Pauses(), time.monotonic() + patience, 0
    while True:
        try:
            return work(tries)
        except (SQLAlchemyError, sqlite3.Error) as error:
            if not is_passing(error) or time.monotonic() >= end:
                raise given_up(error) from error
        tries += 1
        pauses.sleep(end)


def given_up(error: Exception) -> StoreError:
    """The error in one line, without the statement and its values."""
    cause = getattr(error, "orig", None) or error
    return StoreError(f"the database does not take it now: {reason(cause)}")
