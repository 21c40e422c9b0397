"""Models that repaint what a mask covers, drawing from a text: the mask covers the whole picture.

Their UNet takes latents, the mask, and the latents of the picture without what is under the mask
(arXiv:2112.10752, as in Stable Diffusion's inpainting models).
"""

from typing import ClassVar

import torch
from torch import Tensor

from kakusan.engine import Engine
from kakusan.models import UNetCall
from kakusan.sampling import Steering


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


def of_the_model(engine: Engine, height: int, width: int) -> tuple[list[Steering], list[str]]:
    """What every picture of a model is steered by, and what the records are to say of it.

    Args:
        height, width: of the picture, in pixels.

    Raises:
        NumericalError: The VAE gives NaN or infinity in float32 too.
    """
    config = engine.unet.config
    if not repaints(config.in_channels, config.out_channels):
        return [], []
    grey = engine.encode_picture(
        torch.zeros(1, 3, height, width, dtype=torch.float32, device="cpu")
    )  # the middle of [-1, 1]
    notes = [note for note in (grey.note, grey.tiled) if note is not None]
    return [NothingKept(grey.result)], notes
