"""A request to pictures: the model that it names is loaded, and stays for the next request."""

import copy
import functools
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import torch

from kakusan.checkpoints.source import BUILTIN
from kakusan.errors import DecodeError, GenerationInterrupted, undecoded_of
from kakusan.inputs import Inputs
from kakusan.pipeline.auto import AutoPipelineForText2Image
from kakusan.pipeline.exchanged import named_parts
from kakusan.pipeline.latent_diffusion import LatentDiffusionPipeline
from kakusan.pipeline.output import Picture, Pictures
from kakusan.pipeline.progress import OnProgress
from kakusan.pipeline.scheduling import requested_scheduler
from kakusan.request import Request
from kakusan.runtime.device import parse_device
from kakusan.runtime.precision import default_dtype, parse_dtype
from kakusan.schedulers import PNDMScheduler

# What a request says of the pipeline that is loaded for it
NAMED_BY_LOADING = ("model", "commit", "variant", "unet", "vae", "dtype", "device")
logger = logging.getLogger(__name__)

OnPicture = Callable[[Picture], object]


def draw(
    request: Request,
    inputs: Inputs | None = None,
    *,
    on_picture: OnPicture | None = None,
    progress: bool | OnProgress | None = True,
    local_files_only: bool = False,
) -> Pictures:
    """Draw all pictures of a request with the model that it names, or else the built-in one.

    Args:
        inputs: What is handed in ready-made, beside the request.
        on_picture: Called with each picture as soon as it is finished.
        progress: Whether to show a bar on stderr; None shows it only on a terminal. A function is
            called in its place, with how much is done, from 0 to 1, and with what is being done.
        local_files_only: Do not ask the hub for the model.

    Raises:
        InputError: Something given cannot be used; said before weights are read where possible.
        DecodeError: Finished latents could not be decoded; it carries them, and the pictures that
            were finished.
        GenerationInterrupted: Ctrl-C; it carries the pictures that were finished.
    """
    requested_scheduler(request.scheduler, PNDMScheduler())  # only to be checked, before weights
    model = BUILTIN if request.model is None else request.model
    device = parse_device(request.device)
    # The built-in model is small enough that full precision costs nothing
    own = torch.float32 if model == BUILTIN else default_dtype(device)
    pipe = copy.copy(
        loaded(
            model,
            device,
            own if request.dtype is None else parse_dtype(request.dtype),
            commit=request.commit,
            variant=request.variant,
            checked=request.safety_checker,
            local_files_only=local_files_only,
            unet=request.unet,
            vae=request.vae,
        )
    )
    tell = progress if callable(progress) else None
    pipe.set_progress_bar_config(disable=None if progress is None else not progress)
    # It is the one that the request names, as this machine calls it
    named = replace(request, **dict.fromkeys(NAMED_BY_LOADING))
    drawing = pipe.prepared(named, inputs or Inputs())
    if drawing.usual is not None:
        logger.warning("%s", drawing.usual)
    return _collected(pipe.drawn(drawing, tell=tell), on_picture)


@functools.lru_cache(maxsize=1)
def loaded(
    model: str,
    device: torch.device,
    dtype: torch.dtype,
    *,
    commit: str | None,
    variant: str | None,
    checked: bool,
    local_files_only: bool = False,
    unet: str | None = None,
    vae: str | None = None,
) -> LatentDiffusionPipeline:
    """The pipeline of a model, as last loaded if it is the same; it must not be changed."""
    given: dict[str, Any] = {} if checked else {"safety_checker": None}
    names = {"unet": unet, "vae": vae}
    given |= named_parts(names, dtype, local_files_only=local_files_only)
    return AutoPipelineForText2Image.from_pretrained(
        model,
        torch_dtype=dtype,
        revision=commit,
        variant=variant,
        local_files_only=local_files_only,
        **given,
    ).to(device)


def _collected(drawn: Iterator[Picture], on_picture: OnPicture | None) -> Pictures:
    finished = Pictures()
    try:
        for picture in drawn:
            finished.append(picture)
            if on_picture is not None:
                on_picture(picture)
    except KeyboardInterrupt as error:
        raise GenerationInterrupted(finished, undecoded_of(error)) from None
    except DecodeError as error:
        error.finished = finished
        raise
    return finished
