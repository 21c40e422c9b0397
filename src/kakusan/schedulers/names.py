"""The names that schedulers are asked for by."""

from collections.abc import Mapping

from kakusan.errors import UnknownNameError, nearest
from kakusan.schedulers.ddim import DDIMScheduler
from kakusan.schedulers.ddpm import DDPMScheduler
from kakusan.schedulers.dpm_solver_multistep import DPMSolverMultistepScheduler
from kakusan.schedulers.euler import EulerDiscreteScheduler
from kakusan.schedulers.euler_ancestral import EulerAncestralDiscreteScheduler
from kakusan.schedulers.heun import HeunDiscreteScheduler
from kakusan.schedulers.lms import LMSDiscreteScheduler
from kakusan.schedulers.pndm import PNDMScheduler
from kakusan.schedulers.scheduler import Scheduler

SCHEDULERS: dict[str, type[Scheduler]] = {
    "DDIMScheduler": DDIMScheduler,
    "DDPMScheduler": DDPMScheduler,
    "DPMSolverMultistepScheduler": DPMSolverMultistepScheduler,
    "EulerAncestralDiscreteScheduler": EulerAncestralDiscreteScheduler,
    "EulerDiscreteScheduler": EulerDiscreteScheduler,
    "HeunDiscreteScheduler": HeunDiscreteScheduler,
    "LMSDiscreteScheduler": LMSDiscreteScheduler,
    "PNDMScheduler": PNDMScheduler,
}


def _dpm_solver(algorithm: str, karras: bool) -> tuple[type[Scheduler], Mapping[str, object]]:
    settings = {"algorithm_type": algorithm, "solver_order": 2, "use_karras_sigmas": karras}
    return DPMSolverMultistepScheduler, settings


# The command line's names. Latents are not pixels within [-1, 1], so clipping them is never meant.
SHORT_NAMES: dict[str, tuple[type[Scheduler], Mapping[str, object]]] = {
    "pndm": (PNDMScheduler, {"skip_prk_steps": True}),
    "lms": (LMSDiscreteScheduler, {}),
    "heun": (HeunDiscreteScheduler, {}),
    "ddim": (DDIMScheduler, {"clip_sample": False}),
    "ddpm": (DDPMScheduler, {"clip_sample": False}),
    "euler": (EulerDiscreteScheduler, {}),
    "euler-a": (EulerAncestralDiscreteScheduler, {}),
    "dpmpp-2m": _dpm_solver("dpmsolver++", karras=False),
    "dpmpp-2m-karras": _dpm_solver("dpmsolver++", karras=True),
    "dpmpp-2m-sde": _dpm_solver("sde-dpmsolver++", karras=False),
    "dpmpp-2m-sde-karras": _dpm_solver("sde-dpmsolver++", karras=True),
}


def scheduler_class(name: str) -> type[Scheduler]:
    """The class of this name.

    Raises:
        UnknownNameError: no scheduler is called that; the message has the nearest names.
    """
    if name not in SCHEDULERS:
        raise UnknownNameError(f"no scheduler is called {name!r}.{nearest(name, SCHEDULERS)}")
    return SCHEDULERS[name]


def named_scheduler(name: str, base: Scheduler) -> Scheduler:
    """The scheduler of a short name or class name, for the model that `base` belongs to.

    Raises:
        UnknownNameError: no scheduler is called that; the message has the nearest names.
    """
    if name in SCHEDULERS:
        return SCHEDULERS[name].from_config(base.config)
    if name not in SHORT_NAMES:
        known = [*SHORT_NAMES, *SCHEDULERS]
        raise UnknownNameError(f"no scheduler is called {name!r}.{nearest(name, known)}")
    kind, settings = SHORT_NAMES[name]
    return kind.from_config(base.config, **settings)


def short_name(scheduler: Scheduler) -> str:
    """The short name that makes this scheduler, or else its class's name."""
    for name, (kind, settings) in SHORT_NAMES.items():
        if type(scheduler) is kind and all(scheduler.config[k] == v for k, v in settings.items()):
            return name
    return type(scheduler).__name__
