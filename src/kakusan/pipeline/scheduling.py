"""Which scheduler a request asks for, and what is put right of the one that a pipeline is given."""

from collections.abc import Mapping
from typing import Any

from kakusan.schedulers import Scheduler, named_scheduler, scheduler_class


def requested_scheduler(asked: str | Mapping[str, Any] | None, base: Scheduler) -> Scheduler:
    """The scheduler that a request asks for.

    Args:
        asked: a name, for the model that `base` belongs to; a published config; None for `base`.

    Raises:
        InputError: There is none of that name, or it has no such settings.
    """
    if asked is None:
        return base
    if isinstance(asked, str):
        return named_scheduler(asked, base)
    return scheduler_class(str(asked["_class_name"])).from_config(asked)


def corrected(scheduler: Scheduler) -> Scheduler:
    """Published v1 configs of the first days lack two settings that every release was made with."""
    wanted = {"steps_offset": 1, "clip_sample": False}
    config = dict(scheduler.config)
    changes = {key: value for key, value in wanted.items() if config.get(key, value) != value}
    return scheduler.from_config(scheduler.config, **changes)
