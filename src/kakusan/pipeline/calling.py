"""What a pipeline's call does with what is drawn: callbacks, interruptions, and what it gives."""

from typing import Any

import torch
from PIL.Image import Image
from torch import Tensor
from tqdm import tqdm

from kakusan.errors import GenerationInterrupted
from kakusan.images import to_numpy, to_pil, to_unit_range
from kakusan.pipeline.callbacks import StepCallback
from kakusan.pipeline.drawing import Batch, Drawing
from kakusan.pipeline.output import PipelineOutput
from kakusan.pipeline.progress import Told
from kakusan.pipeline.running import RunningCall, running
from kakusan.pipeline.watching import CallbackSteering

STOPPED = "stopped before its last step"


def answered(
    pipe: object,
    drawing: Drawing,
    bar: "tqdm[Any] | Told",
    callback: StepCallback | None,
    output_type: str,
    output_class: type[PipelineOutput],
) -> PipelineOutput:
    """Draw all pictures of a call, as the caller wants to have them.

    Args:
        pipe: that was called, whose properties speak of the call meanwhile.
        output_type: one of `OUTPUT_TYPES`.

    Raises:
        DecodeError: Finished latents could not be decoded; it carries them, and the pictures that
            were finished.
        GenerationInterrupted: Ctrl-C; it carries the pictures that were finished.
    """
    latent = output_type == "latent"
    tensors: list[Tensor] = []
    flags: list[bool] = []

    request = drawing.request
    call = RunningCall(
        guidance=drawing.guidance,
        clip_skip=request.clip_skip,
        lora_scale=request.lora_scale,
        scheduler=drawing.scheduler,
        span=drawing.span,
        denoising_start=request.denoising_start,
        denoising_end=request.denoising_end,
    )

    def steering(_pictures: range) -> list[CallbackSteering]:
        if callback is None:
            return []
        timesteps, first = drawing.scheduler.timesteps, drawing.span.start
        return [CallbackSteering(callback, pipe, call, timesteps, drawing.altered, first)]

    def images() -> list[Image]:
        return [] if latent else [each for pixels in tensors for each in to_pil(pixels)]

    try:
        with running(pipe, call), bar as shown:
            for batch in drawing.batches(steering, watched=callback is not None):
                if not follow(drawing, batch, shown, call):
                    drawing.altered.update(dict.fromkeys(batch.pictures, STOPPED))
                if latent:
                    tensors.append(drawing.latents(batch))
                else:
                    done = drawing.finish(batch)
                    tensors += [] if done.pixels is None else [done.pixels]
                    flags += done.flags or []
                    if done.error is not None:
                        raise drawing.failure(batch, done, images()) from done.error
                if call.interrupt:
                    break
    except GenerationInterrupted:
        raise
    except KeyboardInterrupt:
        raise GenerationInterrupted(images()) from None
    given = _converted(torch.cat(tensors), output_type)
    records = [drawing.records.of(index) for index in range(len(given))]
    return output_class.of(given, flags or None, records)


def follow(
    drawing: Drawing, batch: Batch, bar: "tqdm[Any] | Told", call: RunningCall | None = None
) -> bool:
    """Take all steps of a batch, and count them; backwards where a way began again.

    Returns:
        False if the call was interrupted from elsewhere, once each way had taken a step.
    """
    ways = len(batch.trajectories)
    done: dict[int, int] = {}
    for step in drawing.steps(batch):
        which, taken = step.pictures.start, drawing.taken(step)
        bar.update(taken - done.get(which, 0))
        done[which] = taken
        if call is not None and call.interrupt and len(done) == ways and not step.is_last:
            return False
    return True


def _converted(tensor: Tensor, output_type: str) -> Any:
    if output_type == "latent":
        return tensor
    if output_type == "pt":
        return to_unit_range(tensor)
    return to_numpy(tensor) if output_type == "np" else to_pil(tensor)
