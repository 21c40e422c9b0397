"""Which scheduler a request asks for, and what is put right of the one that a pipeline is given."""

from collections.abc import Mapping
from typing import Any

from kakusan.errors import ArgumentError
from kakusan.request import Request
from kakusan.samplers import meaning_of
from kakusan.schedulers import PNDMScheduler, Scheduler, named_scheduler, scheduler_class
from kakusan.schedulers.edm import MODELS

# What takes some of the steps alone, the first that is given is to blame
_SPANNING = ("denoising_end", "denoising_start", "strength")


def requested_scheduler(
    asked: str | Mapping[str, Any] | None, base: Scheduler, *, xl: bool = False
) -> Scheduler:
    """The scheduler that a request asks for.

    Args:
        asked: a name, for the model that `base` belongs to, or a mapping with a `name` and settings
            that are others; a published config; None for `base`.
        xl: whether the model is SDXL.

    Raises:
        InputError: There is none of that name, or it has no such settings.
    """
    if asked is None:
        return base
    if isinstance(asked, str):
        return named_scheduler(asked, base, xl=xl)
    if isinstance(name := asked.get("name"), str):
        named = named_scheduler(name, base, xl=xl)
        return named.from_config(named.config, **{k: v for k, v in asked.items() if k != "name"})
    return scheduler_class(str(asked["_class_name"])).from_config(asked)


def check_scheduler(asked: str | Mapping[str, Any] | None) -> None:
    """Refuse a scheduler that is not there, before a model is known.

    Raises:
        InputError: There is none of that name, or it has no such settings.
    """
    if isinstance(asked, str):
        scheduler_class(meaning_of(asked).kind)
    elif asked is not None:
        requested_scheduler(asked, PNDMScheduler())


def asks_for_both_sides(asked: str | Mapping[str, Any] | None) -> bool:
    """Whether a scheduler wants what is predicted for both prompts, whatever guidance is: CFG++.

    Raises:
        InputError: There is none of that name.
    """
    if asked is None:
        return False
    kind = meaning_of(asked).kind if isinstance(asked, str) else str(asked["_class_name"])
    return scheduler_class(kind).parts_guidance


def ignored_by(asked: str | Mapping[str, Any] | None) -> str | None:
    """One line on what a scheduler's name says that counts for nothing; None where all counts."""
    name = asked.get("name") if isinstance(asked, Mapping) else asked
    return meaning_of(name).ignored if isinstance(name, str) else None


def span_of(request: Request, scheduler: Scheduler) -> range:
    """The numbers of those timesteps that a request goes through.

    A scheduler whose parts have steps of their own is planned anew.

    Raises:
        RequestError: There are none.
    """
    _check_parted(request, scheduler)
    levels = scheduler.level_timesteps
    timesteps = scheduler.schedule if levels is None else levels
    first, end = 0, len(timesteps)
    if request.strength == 0.0:  # what the VAE gives back
        return range(end, end)
    if request.denoising_start is not None:
        first = _first_below(request.denoising_start, scheduler)
        if levels is None and first < end:  # never between the calls of one step
            first = max(each for each in scheduler.starts if each <= first)
    elif request.strength is not None:
        steps = request.num_inference_steps or len(timesteps)
        left_out = steps - min(int(steps * request.strength), steps)
        first = left_out if levels is not None else scheduler.start_of(left_out)
    if request.denoising_end is not None and request.denoising_end < 1.0:
        end = _first_below(request.denoising_end, scheduler)
    if first >= end:
        name = next(name for name in _SPANNING if getattr(request, name) is not None)
        raise ArgumentError(
            f"{{{name}}} of {{0}} leaves no step of {{1}}; take more steps, or another part",
            getattr(request, name),
            len(timesteps),
        )
    if levels is None or (first, end) == (0, len(timesteps)):
        return range(first, end)
    scheduler.plan_part(first, end)
    return range(len(scheduler.schedule))


def _first_below(part: float, scheduler: Scheduler) -> int:
    """The index of the first call below a part of the way; their number where there is none.

    Steps of two calls may be cut between them, as the reference's; longer ones, which look ahead
    and come back, are not.
    """
    levels, cutoff = scheduler.level_timesteps, _cutoff(part, scheduler)
    timesteps = scheduler.schedule if levels is None else levels
    places = scheduler.starts if levels is None and scheduler.order != 2 else range(len(timesteps))
    return next((each for each in places if timesteps[each] < cutoff), len(timesteps))


def _check_parted(request: Request, scheduler: Scheduler) -> None:
    """Refuse a part of the way by training timesteps where there are none."""
    asked = {"denoising_start": request.denoising_start, "denoising_end": request.denoising_end}
    said = next((name for name, part in asked.items() if part is not None), None)
    if said is not None and scheduler.config.edm is not None:
        raise ArgumentError(
            f"{{{said}}} of {{0}} is told in training timesteps, which {MODELS} does not have; "
            "leave it out",
            asked[said],
        )


def _cutoff(part: float, scheduler: Scheduler) -> int:
    """The timestep at which such a part of the way is done."""
    count = scheduler.config.num_train_timesteps
    return round(count - part * count)


def corrected(scheduler: Scheduler) -> Scheduler:
    """Published v1 configs of the first days lack two settings that every release was made with."""
    wanted = {"steps_offset": 1, "clip_sample": False}
    config = dict(scheduler.config)
    changes = {key: value for key, value in wanted.items() if config.get(key, value) != value}
    return scheduler.from_config(scheduler.config, **changes)
