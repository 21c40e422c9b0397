"""From a request with a quality budget to the scheduler, steps and interval that keep within it."""

from collections.abc import Mapping
from typing import Any

from kakusan.errors import ArgumentError
from kakusan.quality import preset_within
from kakusan.request import Request
from kakusan.schedulers import Scheduler, named_scheduler


def within_budget(
    request: Request, scheduler: Scheduler, *, own: bool, steps: int
) -> tuple[dict[str, Any], Scheduler]:
    """What a request's budget decides of its settings, and the scheduler to draw it with.

    Args:
        scheduler: the pipeline's.
        own: whether that is the model's own, from which a faster one may follow.
        steps: the model's own.

    Raises:
        RequestError: Scheduler and budget contradict each other.
    """
    if not request.budget_is_open:
        return {}, scheduler
    name = type(scheduler).__name__
    if not own:
        raise ArgumentError(
            "{quality_budget} chooses the scheduler itself, and this pipeline was given {0}; leave "
            "{quality_budget} out, or draw with the model's own scheduler",
            name,
        )
    if not scheduler.is_deterministic:
        raise ArgumentError(
            "{quality_budget} has no faster way to what this model's {0} draws, as it adds noise; "
            "leave {quality_budget} out",
            name,
        )
    preset = preset_within(request.quality_budget or 0.0, steps=steps)
    if preset is None:
        return {"reuse_interval": 1}, scheduler
    chosen = {
        "num_inference_steps": preset.num_inference_steps,
        "reuse_interval": preset.reuse_interval,
    }
    return chosen, named_scheduler(preset.scheduler, scheduler)


def nothing_saved(request: Request, chosen: Mapping[str, Any], steps: int) -> list[str]:
    """A line where a budget is open and no faster way keeps within it; else nothing.

    Args:
        chosen: by the budget.
        steps: the model's own.
    """
    if not request.budget_is_open or "num_inference_steps" in chosen:
        return []
    return [
        f"the quality budget of {request.quality_budget:g} dB saves nothing here: no faster way "
        f"that keeps within it takes fewer than the model's own {steps} steps, which are taken"
    ]
