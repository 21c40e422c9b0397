"""A job is cancelled when nobody waits for it, but not before a retry could take it over."""

import asyncio

import pytest

from kakusan.server.dialects.waiting import Waiting

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Jobs:
    """Jobs that are numbered, and remembered when they are cancelled."""

    def __init__(self) -> None:
        self.made, self.cancelled = 0, list[str]()

    async def submit(self) -> str:
        self.made += 1
        return str(self.made)

    async def cancel(self, job: str) -> None:
        self.cancelled.append(job)


async def call(waiting: Waiting, jobs: Jobs, seconds: float, *, is_retry: bool) -> str:
    async with waiting.job("who, what", jobs.submit, is_retry=is_retry) as job:
        await asyncio.sleep(seconds)
        return job


async def test_who_leaves_has_the_job_cancelled_after_a_while() -> None:
    jobs = Jobs()
    waiting = Waiting(jobs.cancel, grace=0.1)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(call(waiting, jobs, 9, is_retry=False), 0.05)
    assert jobs.cancelled == []
    await asyncio.sleep(0.3)
    assert jobs.cancelled == ["1"]
    assert await call(waiting, jobs, 0, is_retry=True) == "2"


async def test_a_retry_takes_the_job_over() -> None:
    jobs = Jobs()
    waiting = Waiting(jobs.cancel, grace=0.2)
    for is_retry in (False, True, True):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(call(waiting, jobs, 9, is_retry=is_retry), 0.05)
        await asyncio.sleep(0.1)
    assert await call(waiting, jobs, 0.3, is_retry=True) == "1"
    assert (jobs.made, jobs.cancelled) == (1, [])
    await asyncio.sleep(0.4)
    assert jobs.cancelled == ["1"]


async def test_the_same_asked_twice_is_two_jobs_unless_it_is_a_retry() -> None:
    jobs = Jobs()
    waiting = Waiting(jobs.cancel, grace=0.05)
    calls = [call(waiting, jobs, 0.05, is_retry=each) for each in (False, False, True)]
    assert await asyncio.gather(*calls) == ["1", "2", "2"]
    await asyncio.sleep(0.3)
    assert sorted(jobs.cancelled) == ["1", "2"]
