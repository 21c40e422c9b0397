"""The one thread that writes to SQLite: what waits for it together is committed together."""

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from kakusan.server.queue.clock import Clock
from kakusan.server.queue.errors import StoreError
from kakusan.server.queue.retrying import Pauses, given_up
from kakusan.server.queue.transaction import Transaction

T = TypeVar("T")

_TOGETHER = 64  # writes in one commit


@dataclass(eq=False, kw_only=True)
class _Task:
    """A write that somebody waits for until `end`, on the monotonic clock."""

    work: Callable[[Transaction], Any]
    end: float
    done: Future[tuple[Any, Transaction]]
    tried: bool = False


class Writer:
    """Takes writes from any thread and does them in its own.

    Args:
        engine: has one connection, and begins with the lock for writing.
        is_passing: whether an error may be gone a little later.
    """

    def __init__(
        self, engine: Engine, clock: Clock, is_passing: Callable[[Exception], bool]
    ) -> None:
        self._engine, self._clock, self._is_passing = engine, clock, is_passing
        self._tasks: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._closing = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._serve, name="kakusan-database", daemon=True)
        self._thread.start()

    def write(self, work: Callable[[Transaction], T], patience: float) -> tuple[T, Transaction]:
        """Do some work, and return once it is on the disk.

        Raises:
            StoreError: It could not be done for so many seconds.
        """
        done: Future[tuple[Any, Transaction]] = Future()
        with self._closing:
            if self._closed:
                raise StoreError("the database is closed: the server ends")
            self._tasks.put(_Task(work=work, end=time.monotonic() + patience, done=done))
        return done.result()

    def close(self) -> None:
        """Do what was handed in before, and end the thread."""
        with self._closing:
            if not self._closed:
                self._closed = True
                self._tasks.put(None)
        self._thread.join()

    def _serve(self) -> None:
        batch: list[_Task] = []
        while (task := self._tasks.get()) is not None:
            batch.append(task)
            if len(batch) == _TOGETHER or self._tasks.empty():
                self._settle(batch)
                batch = []
        self._settle(batch)

    def _settle(self, batch: list[_Task]) -> None:
        """Write a batch, in however many tries, and answer each of those who wait."""
        pauses = Pauses()
        while batch:
            try:
                outcomes = self._commit(batch)
            except Exception as error:
                batch = self._go_on(batch, error)
                if batch:
                    pauses.sleep(max(task.end for task in batch))
                continue
            for task, outcome in zip(batch, outcomes, strict=True):
                if isinstance(outcome, Exception):
                    task.done.set_exception(outcome)
                else:
                    task.done.set_result(outcome)
            return

    def _go_on(self, batch: list[_Task], error: Exception) -> list[_Task]:
        """Those who wait for another try; the others learn why there is none."""
        passing, now = self._is_passing(error), time.monotonic()
        waiting = [task for task in batch if passing and task.end > now]
        for task in batch:
            if task not in waiting:
                task.done.set_exception(given_up(error))
        return waiting

    def _commit(self, batch: list[_Task]) -> list[tuple[Any, Transaction] | Exception]:
        with self._engine.connect() as connection, connection.begin():
            return [self._try(connection, task) for task in batch]

    def _try(self, connection: Connection, task: _Task) -> tuple[Any, Transaction] | Exception:
        """One write of several; what goes wrong with it alone is undone alone."""
        transaction = Transaction(
            connection=connection,
            now=self._clock.now(),
            wall=time.time(),
            shared=False,
            again=task.tried,
        )
        task.tried = True
        connection.exec_driver_sql("SAVEPOINT one")
        try:
            result = task.work(transaction)
        except Exception as error:
            if self._is_passing(error):
                raise
            connection.exec_driver_sql("ROLLBACK TO one")
            return given_up(error) if isinstance(error, SQLAlchemyError) else error
        connection.exec_driver_sql("RELEASE one")
        return result, transaction
