"""Latents as pictures: one grey picture for each channel."""

from dataclasses import dataclass

import numpy as np
from PIL import Image
from torch import Tensor

from kakusan.errors import RequestError
from kakusan.inspect.sheet import in_rows
from kakusan.inspect.shown import Shown
from kakusan.inspect.wording import Language, worded

SPREAD = 2.5  # standard deviations from black to grey, and from grey to white


@dataclass(frozen=True)
class LatentChannels(Shown):
    """The channels of one picture's latents, (channels, height, width)."""

    latents: Tensor
    language: Language = "en"

    def picture(self, columns: int | None = None) -> Image.Image:
        """All channels, in one row or so many in each."""
        views = [_grey(channel) for channel in self.latents.float().cpu()]
        names = [f"{worded('channel', self.language)} {i}" for i in range(len(views))]
        return in_rows(views, names, columns or len(views), title="")


def _grey(channel: Tensor) -> Image.Image:
    spread = float(channel.std()) or 1.0
    levels = 128 + (channel - channel.mean()) * (127 / SPREAD / spread)
    return Image.fromarray(levels.clamp(0, 255).numpy().astype(np.uint8))


def latent_channels(latents: Tensor, *, language: Language = "en") -> LatentChannels:
    """Show what latents hold.

    Args:
        latents: (channels, height, width) or (1, channels, height, width).
        language: of the words in the figure.

    Raises:
        RequestError: Another shape, or no such language.
    """
    worded("channel", language)  # only to be checked
    if latents.ndim == 4 and len(latents) == 1:
        latents = latents[0]
    if latents.ndim != 3:
        shape = tuple(latents.shape)
        raise RequestError(f"latents must be (channels, height, width) of one picture, not {shape}")
    return LatentChannels(latents.detach(), language)
