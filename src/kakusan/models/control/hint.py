"""The pictures that steer, embedded: as small as latents, as wide as the UNet's finest level."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kakusan.errors import RequestError
from kakusan.models.control.config import ControlNetConfig
from kakusan.models.layers.basic import Conv2d


class HintEmbedding(nn.Module):
    """Eight convolutions, three of which halve the picture. arXiv:2302.05543, section 3.2."""

    def __init__(self, config: ControlNetConfig) -> None:
        super().__init__()
        widths = config.hint_channels
        self.conv_in = Conv2d(config.picture_channels, widths[0], 3, padding=1)
        layers: list[Conv2d] = []
        for here, there in pairwise(widths):
            layers += [
                Conv2d(here, here, 3, padding=1),
                Conv2d(here, there, 3, padding=1, stride=2),
            ]
        self.blocks = nn.ModuleList(layers)
        self.conv_out = zero(Conv2d(widths[-1], config.block_out_channels[0], 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        x = F.silu(self.conv_in(x))
        for block in self.blocks:
            x = F.silu(block(x))
        return self.conv_out(x)


def zero(layer: Conv2d) -> Conv2d:
    """A convolution that gives nothing yet."""
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.zero_()
    return layer


def checked_pictures(pictures: Tensor, config: ControlNetConfig) -> Tensor:
    """Pictures in the order of channels that a net was trained with.

    Raises:
        RequestError: They are of another shape than it takes.
    """
    channels, factor = config.picture_channels, config.hint_factor
    sides = pictures.shape[-2:]
    if pictures.ndim != 4 or pictures.shape[1] != channels or any(s % factor for s in sides):
        raise RequestError(
            f"the control picture has shape {tuple(pictures.shape)}; this ControlNet takes "
            f"(batch, {channels}, height, width), both multiples of {factor}"
        )
    return pictures.flip(1) if config.channel_order == "bgr" else pictures
