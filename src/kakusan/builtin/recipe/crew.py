"""Processes that share the work of drawing: one job after another, results in the jobs' order."""

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TypeVar

JobT = TypeVar("JobT")
ResultT = TypeVar("ResultT")


class Crew(AbstractContextManager["Crew"]):
    """So many processes beside this one, which begin with the first work for them.

    They import the program that started this one, as the module multiprocessing says: a program of
    your own keeps what it does under `if __name__ == "__main__"`.

    Args:
        processes: 0 leaves all work to this process.
    """

    def __init__(self, processes: int) -> None:
        self.processes = processes
        self._pool: ProcessPoolExecutor | None = None

    def map(
        self, call: Callable[[JobT], ResultT], jobs: Sequence[JobT], *, ahead: int = 0
    ) -> Iterator[ResultT]:
        """What `call` gives for each of the jobs.

        The work begins at once, and is never further ahead of what was taken than the processes
        need, or than `ahead` jobs. A single job is done here.
        """
        if self.processes == 0 or len(jobs) < 2:
            return map(call, jobs)
        if self._pool is None:  # a process that was forked could not use a GPU that this one uses
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self.processes, mp_context=context)
        pool, begun = self._pool, max(ahead, 2 * self.processes)
        waiting = deque(pool.submit(call, job) for job in jobs[:begun])
        return self._results(pool, call, waiting, jobs[begun:])

    def _results(
        self,
        pool: ProcessPoolExecutor,
        call: Callable[[JobT], ResultT],
        waiting: deque[Future[ResultT]],
        jobs: Sequence[JobT],
    ) -> Iterator[ResultT]:
        rest = iter(jobs)
        while waiting:
            result = waiting.popleft().result()
            for job in rest:
                waiting.append(pool.submit(call, job))
                break
            yield result

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=error is None, cancel_futures=True)
            self._pool = None
