"""Models that repaint what a mask covers, drawing from a text: the mask covers the whole picture.

Their UNet takes latents, the mask, and the latents of the picture without what is under the mask
(arXiv:2112.10752, as in Stable Diffusion's inpainting models).
"""

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from kakusan.models import UNetCall
from kakusan.sampling import Steering
from kakusan.schedulers import Generators
from kakusan.steering.way import Call, Prepared, Way


def repaints(takes: int, latent_channels: int) -> bool:
    """Whether a UNet that takes so many channels is one of these models'."""
    return takes == 2 * latent_channels + 1


class NothingKept(Steering):
    """Tells the UNet that all of the picture is to be painted.

    Args:
        grey: the latents of what a masked picture has under its mask, shape (1, c, h, w).
    """

    # the model is like that: whoever draws with it again has the same
    marks_pictures: ClassVar[bool] = True

    def __init__(self, grey: Tensor) -> None:
        self._beside = torch.cat([torch.ones_like(grey[:, :1]), grey], dim=1)

    def ask(self, call: UNetCall) -> UNetCall:
        beside = self._beside.to(call.sample).expand(len(call.sample), -1, -1, -1)
        return call._replace(sample=torch.cat([call.sample, beside], dim=1))  # (b, 2c + 1, h, w)


class Repainting(Way):
    """Tells models that repaint that everything is to be painted."""

    def prepare(self, call: Call) -> Prepared | None:
        engine, request = call.engine, call.request
        config = engine.unet.config
        if not repaints(config.in_channels, config.out_channels):
            return None
        assert request.height is not None
        assert request.width is not None
        size = (request.height, request.width)
        grey = engine.encode_picture(
            torch.zeros(1, 3, *size, dtype=torch.float32, device="cpu")
        )  # the middle of [-1, 1]
        notes = [note for note in (grey.note, grey.tiled) if note is not None]
        return _AllRepainted(grey.result, notes)


class _AllRepainted(Prepared):
    def __init__(self, grey: Tensor, notes: Sequence[str]) -> None:
        self._grey, self.notes = grey, notes

    def steering(self, pictures: range, generator: Generators) -> Sequence[Steering]:
        del pictures, generator
        return [NothingKept(self._grey)]
