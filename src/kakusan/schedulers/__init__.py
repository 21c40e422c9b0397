"""Noise schedules and samplers: from noise to latents, step by step."""

from kakusan.later import missing_name
from kakusan.schedulers.names import SCHEDULERS as SCHEDULERS
from kakusan.schedulers.names import SHORT_NAMES as SHORT_NAMES
from kakusan.schedulers.names import named_scheduler as named_scheduler
from kakusan.schedulers.names import scheduler_class as scheduler_class
from kakusan.schedulers.names import short_name as short_name
from kakusan.schedulers.noise import Generators as Generators
from kakusan.schedulers.noise import draw_noise as draw_noise
from kakusan.schedulers.noise import rewinder as rewinder
from kakusan.schedulers.noise import seeded as seeded
from kakusan.schedulers.published import AysSchedules as AysSchedules
from kakusan.schedulers.registry import *  # noqa: F403  # every scheduler
from kakusan.schedulers.scheduler import Scheduler as Scheduler
from kakusan.schedulers.scheduler import SchedulerOutput as SchedulerOutput


def __getattr__(name: str) -> object:
    raise missing_name("kakusan.schedulers", name, SCHEDULERS)
