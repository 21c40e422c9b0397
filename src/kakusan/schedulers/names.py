"""The schedulers that names mean; what they are called is in `kakusan.samplers`."""

from collections.abc import Mapping

from kakusan.errors import RequestError, shown
from kakusan.samplers import SCHEDULES, meaning_of, on_schedule, table, unknown
from kakusan.schedulers import registry
from kakusan.schedulers.config import SPACING
from kakusan.schedulers.edm import MODELS
from kakusan.schedulers.edm_scheduler import EdmScheduler
from kakusan.schedulers.scheduler import Scheduler

# In the registry's order
_KINDS: tuple[type[Scheduler], ...] = tuple(
    kind for kind in vars(registry).values() if isinstance(kind, type)
)

SCHEDULERS: dict[str, type[Scheduler]] = {
    kind.__name__: kind for kind in sorted(_KINDS, key=lambda kind: kind.__name__)
}


def scheduler_class(name: str) -> type[Scheduler]:
    """The class of this name.

    Raises:
        UnknownNameError: no scheduler is called that; the message has the nearest names.
    """
    if name not in SCHEDULERS:
        raise unknown(name, SCHEDULERS)
    return SCHEDULERS[name]


def named_scheduler(name: str, base: Scheduler, *, xl: bool = False) -> Scheduler:
    """The scheduler of a name, for the model that `base` belongs to.

    Args:
        name: AUTOMATIC1111's ("DPM++ 2M Karras"), ComfyUI's ("dpmpp_2m karras",
            "euler/sgm_uniform"), InvokeAI's, stable-diffusion.cpp's, the reference's class or
            k-diffusion's function, or a short name; see `kakusan.samplers`.
        xl: whether the model is SDXL, which has levels of its own on some schedules.

    Raises:
        UnknownNameError: no scheduler is called that; the message has the nearest names.
        RequestError: it is not for such a model.
    """
    meaning = meaning_of(name, xl=xl)
    kind = scheduler_class(meaning.kind)
    _check_levels(name, kind, meaning.settings, base)
    config: Mapping[str, object] = base.config
    if meaning.spaced:
        config = {name: value for name, value in config.items() if name not in SPACING}
    return kind.from_config(config, **meaning.settings)


def _check_levels(
    name: str, kind: type[Scheduler], settings: Mapping[str, object], base: Scheduler
) -> None:
    """Raise `RequestError` where a name is not for the noise levels that a model has."""
    on_edms = base.config.edm is not None
    if issubclass(kind, EdmScheduler) and not on_edms:
        raise RequestError(f"{shown(name)} is for {MODELS}, and this model is not on them")
    if on_edms and "timestep_spacing" in settings:
        raise RequestError(
            f"{shown(name)} says how training timesteps are spaced, which {MODELS} does not have; "
            "take a schedule of noise levels, such as 'karras' or 'exponential'"
        )


# The command line's names, and what each says of its class's settings
SHORT_NAMES: dict[str, tuple[type[Scheduler], Mapping[str, object]]] = {
    sampler.short: (SCHEDULERS[sampler.kind], meaning_of(sampler.short).settings)
    for sampler in table.SAMPLERS
}


def short_name(scheduler: Scheduler) -> str:
    """The shortest name that makes this scheduler's kind, or else its class's name."""
    for sampler in table.SAMPLERS:
        if _is(scheduler, sampler.kind, meaning_of(sampler.short).settings):
            return sampler.short
        for schedule in SCHEDULES if sampler.automatic else ():
            if _is(scheduler, sampler.kind, on_schedule(sampler, schedule).settings):
                return f"{sampler.short} {schedule}"
    return type(scheduler).__name__


def _is(scheduler: Scheduler, kind: str, settings: Mapping[str, object]) -> bool:
    config = scheduler.config
    return type(scheduler).__name__ == kind and all(
        getattr(config, name) == value for name, value in settings.items()
    )
