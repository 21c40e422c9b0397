"""Models that repaint what a mask covers: their UNet sees the mask, and what it leaves.

It takes latents, the mask, and the latents of the picture without what is under the mask
(arXiv:2112.10752, as in Stable Diffusion's inpainting models). Where a text alone is drawn, the
mask covers the whole picture.
"""

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from kakusan.models import UNetCall
from kakusan.runtime.device import send
from kakusan.sampling import Halves, Steering, Watched
from kakusan.schedulers import Generators
from kakusan.steering.canvas import hidden, latent_mask
from kakusan.steering.drawn import Drawn, drawn_of, encoded, rows_of
from kakusan.steering.masked import is_masked, is_repainter
from kakusan.steering.way import Call, Prepared, Way

# Of what stands beside the latents
_CHANNELS = {"mask": slice(0, 1), "masked_image_latents": slice(1, None)}


class Beside(Watched):
    """Shows the UNet the mask and what it leaves of the picture.

    Args:
        mask: 1 where it paints, shape (b, 1, h, w).
        masked: the latents of the picture that is grey there, shape (b, c, h, w).
    """

    # the model is like that: whoever draws with it again has the same
    marks_pictures: ClassVar[bool] = True

    def __init__(self, mask: Tensor, masked: Tensor) -> None:
        self._text = self._negative = torch.cat([mask.to(masked), masked], dim=1)

    def ask(self, call: UNetCall) -> UNetCall:
        own = self._negative if call.is_negative else self._text
        rows = len(call.sample) // len(own)
        beside = own.to(call.sample).repeat(rows, 1, 1, 1)
        return call._replace(sample=torch.cat([call.sample, beside], dim=1))  # (b, 2c + 1, h, w)

    def seen(self, name: str) -> Sequence[Halves]:
        channels = _CHANNELS.get(name)
        if channels is None:
            return ()
        return [Halves(self._text[:, channels], self._negative[:, channels])]

    def take(self, name: str, halves: Sequence[Halves]) -> None:
        ((text, negative),) = halves
        self._text = _with(self._text, name, text)
        self._negative = _with(self._negative, name, text if negative is None else negative)


def _with(beside: Tensor, name: str, value: Tensor) -> Tensor:
    """The same with other channels; a row stands for all."""
    rows = max(len(beside), len(value))
    changed = beside.expand(rows, -1, -1, -1).clone()
    changed[:, _CHANNELS[name]] = value.to(changed)
    return changed


class Repainting(Way):
    """Shows models that repaint what to paint, which is everything where there is no mask."""

    def prepare(self, call: Call) -> Prepared | None:
        if not is_repainter(call.engine):
            return None
        if is_masked(call.request, call.inputs):
            return _Repainted(call, drawn_of(call))
        return _all_repainted(call)


class _Repainted(Prepared):
    def __init__(self, call: Call, drawn: Drawn) -> None:
        self._call, self._drawn = call, drawn
        mask = latent_mask(call.request, drawn.levels, call.engine.scale_factor)
        self._mask = send(mask, call.engine.device)
        self._masked: Tensor | None = None
        if (handed_in := call.inputs.masked_image_latents) is not None:
            self._masked = send(handed_in, call.engine.device)
        elif call.request.seed is not None:
            self._masked, self.notes = self._encoded(None)

    def steering(self, pictures: range, generator: Generators) -> Sequence[Steering]:
        masked = self._encoded(generator)[0] if self._masked is None else self._masked
        return [Beside(rows_of(self._mask, pictures), rows_of(masked, pictures))]

    def _encoded(self, generator: Generators) -> tuple[Tensor, list[str]]:
        pixels = self._drawn.pixels
        assert pixels is not None
        return encoded(self._call, hidden(pixels, self._drawn.levels), generator)


def _all_repainted(call: Call) -> Prepared:
    request = call.request
    assert request.height is not None
    assert request.width is not None
    size = (request.height, request.width)
    grey = call.engine.encode_picture(
        torch.zeros(1, 3, *size, dtype=torch.float32, device="cpu")
    )  # the middle of [-1, 1]
    notes = [note for note in (grey.note, grey.tiled) if note is not None]
    return _AllRepainted(grey.result, notes)


class _AllRepainted(Prepared):
    def __init__(self, grey: Tensor, notes: Sequence[str]) -> None:
        self._grey, self.notes = grey, notes

    def steering(self, pictures: range, generator: Generators) -> Sequence[Steering]:
        del pictures, generator
        return [Beside(torch.ones_like(self._grey[:, :1]), self._grey)]
