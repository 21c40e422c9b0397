"""What every name means."""

from collections.abc import Iterator
from functools import cache

from kakusan.samplers import names, table
from kakusan.samplers.elsewhere import ELSEWHERE, classes
from kakusan.samplers.messages import unknown
from kakusan.samplers.schedules import (
    AUTOMATIC,
    NEAREST,
    ON_A_LADDER,
    SCHEDULES,
    SPACINGS,
    label_of,
    on_schedule,
    schedules_of,
)
from kakusan.samplers.table import Meaning, Sampler

# Schedules that ComfyUI's names mean where they are not AUTOMATIC1111's
_AFTER_A_SLASH = {"beta": "beta_of_timesteps", "kl_optimal": "kl_optimal_to_zero"}
# Words for schedules that are ComfyUI's alone, folded
_OF_COMFYUI = ("normal", "ddimuniform", "linearquadratic")
# Of those with a schedule
_ELSEWHERE_ON_IT = ("uni_pc_bh2", "dpmpp_3m")
_WITH_FIXED_TIMESTEPS = ("LCMScheduler", "TCDScheduler", "DPMFastScheduler")
# Those that are another for SDXL
_OF_XL = {"align_your_steps": "align_your_steps_xl", "gits": "gits_xl"}


def meaning_of(name: str, *, xl: bool = False) -> Meaning:
    """What a name of any tool means.

    Args:
        xl: whether the model is SDXL, which has levels of its own on some schedules.

    Raises:
        UnknownNameError: no scheduler is called that; the message has the nearest names.
    """
    plain = names.plain(name)
    key = names.folded(plain)
    if plain.isalnum() and key.endswith("discrete"):  # a class, not a sampler on a schedule
        key = f"{key}scheduler"
    found = _meanings().get(key)
    if found is None:
        raise unknown(name)
    schedule = str(found.settings.get("sigma_schedule"))
    if xl and schedule in _OF_XL:
        return found._replace(settings={**found.settings, "sigma_schedule": _OF_XL[schedule]})
    return found


@cache
def _meanings() -> dict[str, Meaning]:
    """Every name, folded."""
    found = {
        names.folded(name.removesuffix("Scheduler")): Meaning(name, spaced=False)
        for name in classes()
    }
    found |= {names.folded(name): Meaning(name, spaced=False) for name in classes()}
    found |= {names.folded(name): meaning for name, meaning in ELSEWHERE.items()}
    found |= dict(_elsewhere_on_schedules())
    return found | {name: meaning for each in table.SAMPLERS for name, meaning in _names_of(each)}


def _elsewhere_on_schedules() -> Iterator[tuple[str, Meaning]]:
    for name in _ELSEWHERE_ON_IT:
        plain = ELSEWHERE[name]
        for schedule, words in SCHEDULES.items():
            settings = NEAREST.get(schedule, {})
            on = plain._replace(settings={**plain.settings, **settings})
            if not settings:
                on = plain._replace(ignored=_own_timesteps(name, schedule))
            for word in map(names.folded, {schedule, *words}):
                yield names.folded(name) + word, on
                yield f"{names.folded(name)}/{word}", on


def _names_of(sampler: Sampler) -> Iterator[tuple[str, Meaning]]:
    plain = Meaning(sampler.kind, sampler.settings)
    if sampler.automatic is not None:
        plain = on_schedule(sampler, sampler.automatic)
    for name in map(names.folded, sampler.names):
        yield name, plain
        yield name + names.folded(AUTOMATIC), plain
        for spacing in () if sampler.kind in _WITH_FIXED_TIMESTEPS else SPACINGS:
            on = Meaning(sampler.kind, {**sampler.settings, "timestep_spacing": spacing})
            yield name + spacing, on
            yield f"{name}/{spacing}", on
        for schedule, words in SCHEDULES.items():
            slashed = _on(sampler, schedule, comfyui=True)
            for word in map(names.folded, {schedule, *words}):
                yield name + word, _on(sampler, schedule, comfyui=word in _OF_COMFYUI)
                yield f"{name}/{word}", slashed


def _on(sampler: Sampler, schedule: str, *, comfyui: bool) -> Meaning:
    """A sampler on a schedule as AUTOMATIC1111 or ComfyUI means it."""
    if comfyui:
        meant = _AFTER_A_SLASH.get(schedule, schedule)
        if sampler.kind in ON_A_LADDER:
            return on_schedule(sampler, meant)
        schedule = meant if meant in schedules_of(sampler) else schedule
    if schedule in schedules_of(sampler):
        return on_schedule(sampler, schedule)
    why = _own_timesteps(sampler.webui, schedule)
    return Meaning(sampler.kind, sampler.settings, ignored=why)


def _own_timesteps(name: str, schedule: str) -> str:
    return (
        f"{name} has timesteps of its own here, so that {label_of(schedule)} changes nothing of it"
    )
