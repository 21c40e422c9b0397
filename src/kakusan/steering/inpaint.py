"""Inpainting: a part of a picture is drawn anew, and what lies around it is kept on its way.

A model of latents alone is kept to the picture outside the mask after each step; one that repaints
sees mask and picture beside its latents (`kakusan.steering.repainting`).
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import ClassVar

import torch
from torch import Tensor

from kakusan.engine import Engine
from kakusan.errors import RequestError
from kakusan.inputs import Inputs
from kakusan.request import Request
from kakusan.runtime.device import send
from kakusan.sampling import Halves, Start, Steering, Step, Watched
from kakusan.schedulers import Generators, Scheduler
from kakusan.steering.canvas import hidden, latent_mask, share_of
from kakusan.steering.drawn import Drawn, deviations, drawn_of, encoded, rows_of
from kakusan.steering.masked import is_masked, is_repainter
from kakusan.steering.masked_request import check, completed
from kakusan.steering.way import Call, Completed, Prepared, Way

MASKED = "masked_image_latents"


class Inpainting(Way):
    """Draws anew what masks cover of the pictures that are handed in as `image`."""

    def check(self, request: Request, inputs: Inputs) -> None:
        check(request, inputs)

    def complete(self, request: Request, inputs: Inputs, engine: Engine) -> Completed:
        return completed(request, inputs, engine)

    def prepare(self, call: Call) -> Prepared | None:
        masked = is_masked(call.request, call.inputs)
        return _Inpainted(call, drawn_of(call)) if masked else None


class Kept(Watched):
    """Puts back, after each step, what no mask covers, with as much noise as is left.

    Args:
        mask: 1 where it is drawn anew, shape (b, 1, h, w); what lies between is mixed.
        picture: clean latents, shape (b, c, h, w).
        noise: that the picture is mixed with at every level, shape as `picture`.
        masked: makes the latents of what the mask leaves, shape as `picture`, which are only shown.
    """

    marks_pictures: ClassVar[bool] = True

    def __init__(
        self,
        mask: Tensor,
        picture: Tensor,
        noise: Tensor,
        scheduler: Scheduler,
        masked: Callable[[], Tensor],
    ) -> None:
        self._mask, self._picture, self._noise = Halves(mask, mask), picture, noise
        self._scheduler = scheduler
        self._masked = cache(masked)

    def after(self, step: Step) -> Step:
        # of a mask that was changed, as the reference takes it
        mask = self._mask.text if self._mask.negative is None else self._mask.negative
        picture, mask = self._picture.to(step.latents), mask.to(step.latents)
        if not step.is_last:
            then = self._scheduler.timesteps[step.index + 1 : step.index + 2]
            picture = self._scheduler.add_noise(picture, self._noise.to(picture), then)
        return replace(step, latents=(1 - mask) * picture + mask * step.latents)

    def seen(self, name: str) -> Sequence[Halves]:
        if name == "mask":
            return [self._mask]
        return [Halves(self._masked(), self._masked())] if name == MASKED else ()

    def take(self, name: str, halves: Sequence[Halves]) -> None:
        if name != "mask":
            raise RequestError(
                f"{name} of callback_on_step_end is read by models that repaint, which take 9 "
                "channels, and this one takes 4; change mask or latents, and leave it as it is"
            )
        (self._mask,) = halves


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
        passed = self._passed_by(generator)
        mask, picture = rows_of(self._mask, pictures), self._picture(pictures, noise)

        def masked() -> Tensor:
            return rows_of(self._masked(passed), pictures)

        return [Kept(mask, picture, noise, self._call.scheduler, masked)]

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

    def _passed_by(self, generator: Generators) -> Tensor | None:
        """What the reference draws for a picture that a model of latents never sees."""
        call, has_pixels = self._call, self._drawn.pixels is not None
        if call.request.seed is None and call.inputs.masked_image_latents is None and has_pixels:
            return deviations(call, len(self._drawn), generator)
        return None

    def _masked(self, passed: Tensor | None) -> Tensor:
        """The latents of what the masks leave, which a model of latents never sees."""
        call, drawn = self._call, self._drawn
        if (handed_in := call.inputs.masked_image_latents) is not None:
            return send(handed_in, call.engine.device)
        if drawn.pixels is None:
            raise RequestError(
                f"{MASKED} are of pictures, and image was given as latents; leave them out of "
                "callback_on_step_end_tensor_inputs"
            )
        pixels = hidden(drawn.pixels, drawn.levels)
        parts = pixels.split(1 if call.request.seed is not None else len(pixels))
        return torch.cat([call.engine.encode_picture(part, passed).result for part in parts])

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
