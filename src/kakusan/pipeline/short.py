"""The short way: a prompt to pictures in one call, and a picture's record to the same again."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from os import PathLike, fspath
from typing import Any

import torch

from kakusan.checkpoints.source import BUILTIN
from kakusan.errors import RequestError
from kakusan.pipeline.draw import OnPicture, draw
from kakusan.pipeline.output import Picture, Pictures
from kakusan.request import DEFAULT_GUIDANCE, Request
from kakusan.vocabulary import SHORT


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
            time the lower it is. It chooses scheduler and steps. Exact where not given.
        dtype: float32, float16, bfloat16; what is fast on `device` where not given.
        on_picture: Called with each picture as soon as it is finished.
        progress: Whether to show a bar on stderr; None shows it only on a terminal.

    Raises:
        InputError: Something given cannot be used; said before weights are read where possible.
        GenerationInterrupted: Ctrl-C; it carries the pictures that were finished.
    """
    SHORT.check_known(unknown)
    with SHORT.spoken():
        request = Request.of(
            prompt,
            negative_prompt=negative_prompt,
            model=fspath(model),
            seed=secrets.randbelow(2**32) if seed is None else seed,
            num_images_per_prompt=count,
            width=width,
            height=height,
            num_inference_steps=steps,
            guidance_scale=guidance,
            scheduler=None if scheduler is None else str(scheduler),
            quality_budget=quality_budget,
            device=None if device is None else str(device),
            dtype=str(dtype).removeprefix("torch.") if isinstance(dtype, torch.dtype) else dtype,
        )
        return draw(request, on_picture=on_picture, progress=progress)


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
    guidance = DEFAULT_GUIDANCE if request.guidance_scale is None else request.guidance_scale
    if request.negative_prompt[0] is None and guidance > 1:
        raise RequestError(
            "the negative prompt was given as embeddings, which the record does not hold, "
            "so this picture cannot be made again"
        )
    request = replace(
        request,
        device=request.device if device is None else str(device),
        dtype="float32" if request.dtype is None else request.dtype,
    )
    return draw(request, on_picture=on_picture, progress=progress)[0]
