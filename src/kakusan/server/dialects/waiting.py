"""Callers who hold a connection open: their job is cancelled when they go.

OpenAI's clients close the socket when their time is over, and send the same again after half a
second, twice, with `x-stainless-retry-count`. A job is cancelled when nobody waits for it any more,
but only after long enough for such a retry to take it over: so work is neither doubled nor lost.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

GRACE = 3.0  # seconds; clients wait half a second before the first retry, then at most one


@dataclass(eq=False)
class _Held:
    job: str
    callers: int = 0
    end: asyncio.Task[None] | None = None


class Waiting:
    """The jobs that callers wait for.

    Args:
        cancel: called with the id of a job that nobody waits for any more; a finished one too.
        grace: seconds until then.
    """

    def __init__(self, cancel: Callable[[str], Awaitable[object]], grace: float = GRACE) -> None:
        self._cancel, self._grace = cancel, grace
        self._held: dict[str, _Held] = {}
        self._ending: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def job(
        self, key: str, submit: Callable[[], Awaitable[str]], *, is_retry: bool = False
    ) -> AsyncGenerator[str]:
        """The id of a job to wait for: a new one, or of a retry the one that was asked for before.

        Args:
            key: of who asks for what.
            submit: hands a job in.
        """
        held = self._held.get(key) if is_retry else None
        if held is None:
            held = _Held(await submit())
            self._held[key] = held
        held.callers += 1
        if held.end is not None:
            held.end.cancel()
        try:
            yield held.job
        finally:
            held.callers -= 1
            if not held.callers:
                held.end = asyncio.create_task(self._end(key, held))
                self._ending.add(held.end)
                held.end.add_done_callback(self._ending.discard)

    async def _end(self, key: str, held: _Held) -> None:
        await asyncio.sleep(self._grace)
        if self._held.get(key) is held:
            del self._held[key]
        await self._cancel(held.job)
