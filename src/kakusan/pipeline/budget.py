"""From a request with a quality budget to the scheduler, steps and interval that keep within it."""

from dataclasses import replace
from typing import Any

import torch

from kakusan.quality import saving_within
from kakusan.request import Request
from kakusan.schedulers import (
    LMSDiscreteScheduler,
    PNDMScheduler,
    Scheduler,
    named_scheduler,
)

SOLVER = "dpmpp-2m"
# With every second call in full, LMS and sigmas spaced otherwise measured up to 6.6 dB below DDIM,
# whose losses the savings state, but no picture of the 8 below 35.9 (benchmarks.quality)
MARGIN = 5.0  # dB
# Those that follow one path from noise to picture (arXiv:2011.13456, equation 13), so that a better
# solver needs fewer steps for the same picture
_ONE_PATH = frozenset(
    {
        "DDIMScheduler",
        "DPMSolverMultistepScheduler",
        "EulerDiscreteScheduler",
        "HeunDiscreteScheduler",
        "LMSDiscreteScheduler",
        "PNDMScheduler",
    }
)


def planned(
    request: Request, scheduler: Scheduler[Any], *, named: bool, device: torch.device
) -> tuple[Request, Scheduler[Any]]:
    """What to run: the request with all that its budget leaves open, and its scheduler.

    Args:
        scheduler: the pipeline's; the one that comes back is its own and has its timesteps set.
        named: whether the user chose steps or scheduler, which are then kept.

    Raises:
        RequestError: The scheduler cannot take these steps.
    """
    budget, interval = request.quality_budget, request.reuse_interval
    if budget is None or interval is not None:
        return request, _ready(scheduler, request, device)
    kept = named or not _follows_one_path(scheduler, request.eta)
    least = budget + (MARGIN if _shows_more(scheduler) else 0.0)
    saving = saving_within(least, steps=None if kept else request.num_inference_steps)
    if saving is not None and saving.solver:
        scheduler = named_scheduler(SOLVER, scheduler)
        request = replace(request, num_inference_steps=saving.calls)
    ready = _ready(scheduler, request, device)
    # What a sampler adds in noise, a reused feature has not seen: with 25 steps they fell to 21 dB.
    if saving is None or not _follows_one_path(ready, request.eta):
        return replace(request, reuse_interval=1), ready
    # PNDM extrapolates from four predictions: 26 dB with 25 steps and every second call in full, 38
    # with 50 and every third. With Karras's sigmas every third fell to 27 (benchmarks.quality).
    pndm = isinstance(ready, PNDMScheduler)
    most = 2 if _shows_more(ready) else 3 if pndm else saving.reuse_interval
    saving = replace(saving, reuse_interval=min(most, saving.reuse_interval))
    interval = saving.interval_for(len(ready.timesteps) // (2 if pndm else 1))
    return replace(request, reuse_interval=interval), ready


def _ready(scheduler: Scheduler[Any], request: Request, device: torch.device) -> Scheduler[Any]:
    """The scheduler's twin with the request's timesteps set."""
    twin = scheduler.fresh()
    twin.set_timesteps(
        None if request.timesteps or request.sigmas else request.num_inference_steps,
        device=device,
        timesteps=None if request.timesteps is None else list(request.timesteps),
        sigmas=None if request.sigmas is None else list(request.sigmas),
    )
    return twin


def _follows_one_path(scheduler: Scheduler[Any], eta: float) -> bool:
    stochastic = eta > 0.0 or "sde" in str(scheduler.config.get("algorithm_type"))
    return type(scheduler).__name__ in _ONE_PATH and not stochastic


def _shows_more(scheduler: Scheduler[Any]) -> bool:
    spacing = ("use_karras_sigmas", "use_exponential_sigmas")
    spaced = any(scheduler.config.get(name) for name in spacing)
    return spaced or isinstance(scheduler, LMSDiscreteScheduler)
