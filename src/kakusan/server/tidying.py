"""Lets go, now and then, of what has ended and is beyond the owner's limits."""

import asyncio
import logging

from kakusan.server.queue.errors import StoreError
from kakusan.server.queue.retention import Limits
from kakusan.server.service import Service
from kakusan.server.settings import Settings

logger = logging.getLogger(__name__)
EVERY = 300.0  # seconds between two looks


def limits_of(settings: Settings) -> Limits:
    """What is kept of each caller's ended jobs, as the settings say it."""
    return Limits(
        most_jobs=settings.keep_jobs,
        oldest_s=settings.keep_seconds,
        most_bytes=settings.keep_bytes,
    )


async def tidying(service: Service) -> None:
    """Tidy at once and then every few minutes, until it is cancelled."""
    limits = limits_of(service.settings)
    while True:
        try:
            gone = await service.in_store(service.store.tidy, limits)
        except (StoreError, OSError) as error:
            logger.warning("what has ended was not tidied: %s", error)
        else:
            if gone:
                logger.info("%d jobs that had ended were let go", gone)
        await asyncio.sleep(EVERY)
