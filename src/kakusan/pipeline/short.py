"""The short way: a prompt to pictures in one call, and a picture's record to the same again."""

import copy
import functools
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from os import PathLike, fspath
from typing import Any

import torch

from kakusan.checkpoints.source import BUILTIN
from kakusan.errors import GenerationInterrupted, RequestError, check_no_unknown
from kakusan.pipeline.output import Picture, Pictures
from kakusan.pipeline.stable_diffusion import StableDiffusionPipeline
from kakusan.request import Request
from kakusan.runtime.device import parse_device
from kakusan.runtime.precision import default_dtype, parse_dtype
from kakusan.schedulers import PNDMScheduler, Scheduler, named_scheduler

OnPicture = Callable[[Picture], object]


def generate(
    prompt: str | Sequence[str],
    *,
    negative_prompt: str | Sequence[str] = "",
    model: str | PathLike[str] = BUILTIN,
    seed: int | None = None,
    count: int = 1,
    width: int | None = None,
    height: int | None = None,
    steps: int | None = None,
    guidance: float | None = None,
    scheduler: str | None = None,
    quality_budget: float | None = None,
    device: str | torch.device | None = None,
    dtype: str | torch.dtype | None = None,
    on_picture: OnPicture | None = None,
    progress: bool | None = True,
    **unknown: Any,
) -> Pictures:
    """Draw `count` pictures of each prompt, picture i from the seed `seed + i`.

    Args:
        model: "builtin" (comes with the package), a folder, or a Hub id.
        seed: A random one is drawn, and recorded, where none is given.
        scheduler: A short name ("euler-a") or a class name; the model's own where not given.
        quality_budget: The least PSNR in dB against the exact picture, see `kakusan.quality`; less
            time the lower it is. Exact where not given.
        dtype: float32, float16, bfloat16; what is fast on `device` where not given.
        on_picture: Called with each picture as soon as it is finished.
        progress: Whether to show a bar on stderr; None shows it only on a terminal.

    Raises:
        InputError: Something given cannot be used; said before weights are read where possible.
        GenerationInterrupted: Ctrl-C; it carries the pictures that were finished.
    """
    check_no_unknown("generate", unknown, _ARGUMENTS)
    asked: dict[str, Any] = {
        "negative_prompt": negative_prompt,
        "seed": secrets.randbelow(2**32) if seed is None else seed,
        "num_images_per_prompt": count,
        "width": width,
        "height": height,
        "num_inference_steps": steps,
        "guidance_scale": guidance,
        "quality_budget": quality_budget,
    }
    # Both only to be checked before weights are read
    Request.of(prompt, **asked)
    if scheduler is not None:
        named_scheduler(str(scheduler), PNDMScheduler())
    pipe = _pipeline(model, device, dtype, progress)
    if scheduler is not None:
        pipe.scheduler = named_scheduler(scheduler, pipe.scheduler)
    drawn = pipe.pictures(prompt, **asked)
    return _collected(drawn, on_picture)


def reproduce(
    record: Mapping[str, Any],
    *,
    device: str | torch.device | None = None,
    on_picture: OnPicture | None = None,
    progress: bool | None = True,
) -> Picture:
    """Draw the picture of `record` again, with the record's model, scheduler and precision.

    Args:
        device: Where to compute; the record's kind of device where not given.

    Raises:
        RequestError: The record does not tell enough, or what it tells is out of its range.
    """
    for key in ("seed", "model", "prompt"):
        if record.get(key) is None:
            raise RequestError(f"the record has no {key}, so this picture cannot be made again")
    request = Request.from_record(record)
    if request.negative_prompt[0] is None and request.guidance_scale > 1:
        raise RequestError(
            "the negative prompt was given as embeddings, which the record does not hold, "
            "so this picture cannot be made again"
        )
    scheduler = _recorded_scheduler(record)
    pipe = _pipeline(
        record["model"],
        device or record.get("device"),
        record.get("dtype", "float32"),
        progress,
        revision=record.get("commit"),
        variant=record.get("variant"),
        checked=record.get("safety_checker", True),
    )
    if scheduler is not None:
        pipe.scheduler = scheduler
    arguments = {name: getattr(request, name) for name in Request.__dataclass_fields__}
    return _collected(pipe.pictures(**arguments), on_picture)[0]


_ARGUMENTS = frozenset(generate.__annotations__) - {"return", "unknown"}


@functools.lru_cache(maxsize=1)
def _loaded(
    model: str,
    device: torch.device,
    dtype: torch.dtype,
    *,
    revision: str | None,
    variant: str | None,
    checked: bool,
) -> StableDiffusionPipeline:
    without: dict[str, Any] = {} if checked else {"safety_checker": None}
    return StableDiffusionPipeline.from_pretrained(
        model, torch_dtype=dtype, revision=revision, variant=variant, **without
    ).to(device)


def _pipeline(
    model: str | PathLike[str],
    device: str | torch.device | None,
    dtype: str | torch.dtype | None,
    progress: bool | None,
    *,
    revision: str | None = None,
    variant: str | None = None,
    checked: bool = True,
) -> StableDiffusionPipeline:
    """The model, as last loaded if it is the same; the caller may change the copy's settings."""
    where = parse_device(device)
    # The built-in model is small enough that full precision costs nothing
    own = torch.float32 if model == BUILTIN else default_dtype(where)
    loaded = _loaded(
        fspath(model),
        where,
        own if dtype is None else parse_dtype(dtype),
        revision=revision,
        variant=variant,
        checked=checked,
    )
    pipe = copy.copy(loaded)
    pipe.set_progress_bar_config(disable=None if progress is None else not progress)
    return pipe


def _recorded_scheduler(record: Mapping[str, Any]) -> Scheduler[Any] | None:
    recorded = record.get("scheduler")
    if recorded is None:
        return None
    if not isinstance(recorded, Mapping) or not isinstance(recorded.get("_class_name"), str):
        raise RequestError("the record's scheduler is not a mapping with a _class_name")
    config = {str(key): value for key, value in recorded.items()}
    return type(named_scheduler(config["_class_name"], PNDMScheduler())).from_config(config)


def _collected(drawn: Iterator[Picture], on_picture: OnPicture | None) -> Pictures:
    finished = Pictures()
    try:
        for picture in drawn:
            finished.append(picture)
            if on_picture is not None:
                on_picture(picture)
    except KeyboardInterrupt:
        raise GenerationInterrupted(finished) from None
    return finished
