"""What would fail once a job is drawn, seen while its caller still listens."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kakusan.errors import ArgumentError
from kakusan.request import Request
from kakusan.server.worker.entries import Entry

if TYPE_CHECKING:  # torch comes with it
    from kakusan.inputs import Inputs


def check_ahead(request: Request, inputs: "Inputs", model: Entry) -> None:
    """See all of a request that can be seen without its model.

    Raises:
        InputError: It cannot be drawn.
    """
    from kakusan.steering import WAYS

    for way in WAYS:
        way.check(request, inputs)
    if request.upscale is not None and inputs.image is None:
        raise ArgumentError("{upscale} makes {image} larger, and there is none; give one")
    _check_family(request, inputs, model)
    _check_scheduler(request, model)
    _check_strength(request, model)


def _check_family(request: Request, inputs: "Inputs", model: Entry) -> None:
    from kakusan.pipeline.stable_diffusion import StableDiffusionPipeline

    if model.family in ("builtin", "v1", "v2"):
        StableDiffusionPipeline.family.check(request, inputs)


def _check_scheduler(request: Request, model: Entry) -> None:
    """Refuse timesteps and noise levels of one's own where a scheduler takes none."""
    from kakusan.pipeline.scheduling import requested_scheduler
    from kakusan.schedulers import PNDMScheduler, scheduler_class

    timesteps, sigmas = request.timesteps, request.sigmas
    if timesteps is None and sigmas is None:
        return
    asked: str | Mapping[str, Any] | None = request.scheduler
    if asked is not None:
        kind = type(requested_scheduler(asked, PNDMScheduler()))
    elif model.scheduler is not None:
        kind = scheduler_class(model.scheduler)
    else:
        return
    kind().set_timesteps(
        timesteps=None if timesteps is None else list(timesteps),
        sigmas=None if sigmas is None else list(sigmas),
    )


def _check_strength(request: Request, model: Entry) -> None:
    steps = request.num_inference_steps or model.steps
    if steps and request.strength and int(steps * request.strength) == 0:
        raise ArgumentError(
            "{strength} of {0} leaves no step of {1}; take more steps, or another part",
            request.strength,
            steps,
        )
