"""Noise schedules and samplers: from noise to latents, step by step."""

from kakusan.schedulers.ddim import DDIMScheduler
from kakusan.schedulers.ddpm import DDPMScheduler
from kakusan.schedulers.dpm_solver_multistep import DPMSolverMultistepScheduler
from kakusan.schedulers.euler import EulerDiscreteScheduler
from kakusan.schedulers.euler_ancestral import EulerAncestralDiscreteScheduler
from kakusan.schedulers.heun import HeunDiscreteScheduler
from kakusan.schedulers.lms import LMSDiscreteScheduler
from kakusan.schedulers.names import (
    SCHEDULERS,
    SHORT_NAMES,
    named_scheduler,
    scheduler_class,
    short_name,
)
from kakusan.schedulers.noise import Generators, draw_noise, rewinder
from kakusan.schedulers.pndm import PNDMScheduler
from kakusan.schedulers.scheduler import Scheduler, SchedulerOutput

__all__ = [
    "SCHEDULERS",
    "SHORT_NAMES",
    "DDIMScheduler",
    "DDPMScheduler",
    "DPMSolverMultistepScheduler",
    "EulerAncestralDiscreteScheduler",
    "EulerDiscreteScheduler",
    "Generators",
    "HeunDiscreteScheduler",
    "LMSDiscreteScheduler",
    "PNDMScheduler",
    "Scheduler",
    "SchedulerOutput",
    "draw_noise",
    "named_scheduler",
    "rewinder",
    "scheduler_class",
    "short_name",
]
