"""Inpainting: a part of a picture is drawn anew, and what lies around it is kept on its way.

A model of latents alone is kept to the picture outside the mask after each step; one that repaints
sees mask and picture beside its latents (`kakusan.steering.repainting`).
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor

from kakusan.engine import Engine
from kakusan.inputs import Inputs
from kakusan.request import Request
from kakusan.runtime.device import send
from kakusan.sampling import Start, Steering, Step
from kakusan.schedulers import Generators, Scheduler
from kakusan.steering.canvas import latent_mask, share_of
from kakusan.steering.drawn import Drawn, deviations, drawn_of, encoded, rows_of
from kakusan.steering.masked import is_masked, is_repainter
from kakusan.steering.masked_request import check, completed
from kakusan.steering.way import Call, Completed, Prepared, Way


class Inpainting(Way):
    """Draws anew what masks cover of the pictures that are handed in as `image`."""

    def check(self, request: Request, inputs: Inputs) -> None:
        check(request, inputs)

    def complete(self, request: Request, inputs: Inputs, engine: Engine) -> Completed:
        return completed(request, inputs, engine)

    def prepare(self, call: Call) -> Prepared | None:
        masked = is_masked(call.request, call.inputs)
        return _Inpainted(call, drawn_of(call)) if masked else None


class Kept(Steering):
    """Puts back, after each step, what no mask covers, with as much noise as is left.

    Args:
        mask: 1 where it is drawn anew, shape (b, 1, h, w); what lies between is mixed.
        picture: clean latents, shape (b, c, h, w).
        noise: that the picture is mixed with at every level, shape as `picture`.
    """

    marks_pictures: ClassVar[bool] = True

    def __init__(self, mask: Tensor, picture: Tensor, noise: Tensor, scheduler: Scheduler) -> None:
        self._mask, self._picture, self._noise = mask, picture, noise
        self._scheduler = scheduler

    def after(self, step: Step) -> Step:
        picture, mask = self._picture.to(step.latents), self._mask.to(step.latents)
        if not step.is_last:
            then = self._scheduler.timesteps[step.index + 1 : step.index + 2]
            picture = self._scheduler.add_noise(picture, self._noise.to(picture), then)
        return replace(step, latents=(1 - mask) * picture + mask * step.latents)


class _Inpainted(Prepared):
    """Pictures with masks, of which the first are used again after the last."""

    def __init__(self, call: Call, drawn: Drawn) -> None:
        self._call, self._drawn = call, drawn
        self._repaints = is_repainter(call.engine)
        self._noise: dict[int, Tensor] = {}
        device = call.engine.device
        self._mask = send(latent_mask(call.request, drawn.levels, call.engine.scale_factor), device)
        self._latents: Tensor | None = None
        if not self._needs_latents:
            return
        if drawn.pixels is not None:
            self._latents, self.notes = encoded(call, drawn.pixels, call.inputs.generator)
        elif (given := call.inputs.image) is not None and given.latents is not None:
            self._latents = send(given.latents, device)

    def start(self, pictures: range, noise: Callable[[], Tensor]) -> Start:
        request, span, call = self._call.request, self._call.span, self._call
        first = self._noise[pictures.start] = noise()
        midway = request.denoising_start is not None or not span
        if request.strength == 1.0 and not midway:
            return Start(first)
        if call.inputs.latents is not None and not midway:  # as the reference takes them
            return Start(first * call.scheduler.init_noise_sigma, step=span.start, is_midway=True)
        picture = self._picture(pictures, first)
        if midway:
            return Start(picture, step=span.start, is_midway=True)
        return Start(first, picture, span.start)

    def steering(self, pictures: range, generator: Generators) -> Sequence[Steering]:
        noise = self._noise.pop(pictures.start)
        if self._repaints:
            return ()
        self._pass_by(generator)
        mask, picture = rows_of(self._mask, pictures), self._picture(pictures, noise)
        return [Kept(mask, picture, noise, self._call.scheduler)]

    def finished(self, pictures: Sequence[int], pixels: Tensor) -> Tensor:
        canvases, request = self._drawn.canvases, self._call.request
        if not canvases:
            return pixels
        found: list[Tensor] = []
        for index, drawn in zip(pictures, pixels.split(1), strict=True):
            canvas = canvases[index % len(canvases)]
            share = share_of(request, canvas.levels)
            found.append(canvas.pasted(drawn, share, truncated=bool(request.truncate_pixels)))
        return torch.cat(found)

    @property
    def _needs_latents(self) -> bool:
        """Whether the picture itself is encoded; of what repaints from noise, only what is kept."""
        request, given = self._call.request, self._call.inputs
        midway = request.denoising_start is not None or not self._call.span
        from_noise = request.strength == 1.0 or given.latents is not None
        return not self._repaints or midway or not from_noise

    def _pass_by(self, generator: Generators) -> None:
        """Draw what the reference draws for a picture that a model of latents never sees."""
        call, has_pixels = self._call, self._drawn.pixels is not None
        if call.request.seed is None and call.inputs.masked_image_latents is None and has_pixels:
            deviations(call, len(self._drawn), generator)

    def _picture(self, pictures: range, noise: Tensor) -> Tensor:
        """What pictures begin as: clean latents, and what is asked for under the mask."""
        assert self._latents is not None
        picture = rows_of(self._latents, pictures)
        content = self._call.request.masked_content
        if content not in ("noise", "nothing"):
            return picture
        mask = rows_of(self._mask, pictures).to(picture)
        under = noise.to(picture) if content == "noise" else torch.zeros_like(picture)
        return (1 - mask) * picture + mask * under
