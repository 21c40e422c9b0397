"""Rows drawn in a process of its own, so that a row that brings it down does not end the run.

The process is begun again, and the row tried again, up to three times in all.
"""

import logging
import multiprocessing
import os
import signal
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from kakusan.batch.attempts import MOST_DEATHS, Attempts
from kakusan.batch.engine import Begun, Engine
from kakusan.batch.row import FAILED_ATTEMPTS, Finished, Row
from kakusan.errors import KakusanError

Make = Callable[[], Engine]
_PATIENCE = 0.2  # seconds for it to end by itself
_BEGUN, _FINISHED, _NOTICE = "begun", "finished", "notice"
_END, _REFUSED = "end", "refused"


class Supervised:
    """An engine in another process, which is begun when it is needed.

    Args:
        make: makes the engine there; it is sent there by name.
        told: is told what its log says.
    """

    def __init__(
        self, make: Make, attempts: Attempts, told: Callable[[str], object] = lambda _: None
    ) -> None:
        self._make, self._attempts, self._told = make, attempts, told
        self._idle_deaths = 0  # one after the other, while no row was drawn
        self._has_begun = False
        self._process: BaseProcess | None = None
        self._connection: Connection | None = None

    def draw(self, rows: Sequence[Row], begun: Begun) -> Iterator[Finished]:
        waiting = {row.number: row for row in rows}
        for number in list(waiting):
            if (why := self._attempts.why_not(number)) is not None:
                del waiting[number]
                yield self._given_up(number, why)
        while waiting:
            under_way: set[int] = set()
            for finished in self._drawn(self._next(waiting), begun, under_way):
                del waiting[finished.number]
                self._attempts.end(finished.number)
                yield finished
            for number in sorted(under_way):  # what drew them has died
                self._attempts.died(number)
                if (why := self._attempts.why_not(number)) is not None:
                    del waiting[number]
                    yield self._given_up(number, why)

    def _given_up(self, number: int, why: str) -> Finished:
        self._attempts.end(number)
        return Finished(number, FAILED_ATTEMPTS, error=why)

    def _next(self, waiting: dict[int, Row]) -> list[Row]:
        """A row that something has died at is drawn by itself, so that it alone is blamed."""
        suspects = self._attempts.suspects() & waiting.keys()
        others = [row for number, row in waiting.items() if number not in suspects]
        return others or [waiting[min(suspects)]]

    def _drawn(self, rows: list[Row], begun: Begun, under_way: set[int]) -> Iterator[Finished]:
        """What is finished, until all is or the process has died; `under_way` is what then was.

        Raises:
            KakusanError: No engine can be made.
        """
        try:
            connection = self._connected()
            connection.send(rows)
            while True:
                kind, told = connection.recv()
                if kind == _END:
                    return
                if kind == _REFUSED:
                    raise told
                if kind == _NOTICE:
                    self._told(told)
                elif kind == _BEGUN:
                    self._has_begun, self._idle_deaths = True, 0
                    under_way.add(told)
                    self._attempts.begin(told)
                    begun(told)
                else:
                    under_way.discard(told.number)
                    yield told
        except (EOFError, BrokenPipeError, ConnectionResetError):
            code = self.close()
            self._idle_deaths += not under_way
            if not under_way and (not self._has_begun or self._idle_deaths >= MOST_DEATHS):
                raise KakusanError(
                    f"the process that draws ended before it drew anything (exit code {code})"
                ) from None

    def _connected(self) -> Connection:
        if self._connection is None:
            context = multiprocessing.get_context("spawn")
            self._connection, other = context.Pipe()
            self._process = context.Process(target=_serve, args=(other, self._make), daemon=True)
            self._process.start()
            other.close()
        return self._connection

    def close(self) -> int | None:
        """End the process; its exit code, if there was one."""
        code = None
        if self._connection is not None:
            self._connection.close()
        if self._process is not None:
            self._process.join(_PATIENCE)
            self._process.terminate()
            self._process.join()
            code = self._process.exitcode
        self._connection = self._process = None
        return code


def _follow() -> None:
    """End with the run, at once: the next one needs the memory that the device has."""
    run = multiprocessing.parent_process()
    if run is not None:
        run.join()
        os._exit(1)


class _Sending(logging.Handler):
    """Sends what a log says to where there is a terminal."""

    def __init__(self, connection: Any) -> None:
        super().__init__(logging.WARNING)
        self._connection = connection

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(OSError):
            self._connection.send((_NOTICE, record.getMessage()))


def _log(message: Warning | str, *_where: object, **_more: object) -> None:
    logging.getLogger("kakusan").warning("%s", message)


def _serve(connection: Any, make: Make) -> None:
    """Draw what is sent, until nobody is there any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it means the run, which ends this process
    threading.Thread(target=_follow, daemon=True).start()
    logging.getLogger("kakusan").addHandler(_Sending(connection))
    warnings.showwarning = _log
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        try:
            engine = make()
        except KakusanError as error:
            connection.recv()
            connection.send((_REFUSED, error))
            return
        while True:
            rows = connection.recv()
            for finished in engine.draw(rows, lambda number: connection.send((_BEGUN, number))):
                connection.send((_FINISHED, finished))
            connection.send((_END, None))
