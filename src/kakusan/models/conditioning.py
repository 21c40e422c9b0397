"""What the UNet is asked: latents at a noise level, and what they are conditioned on."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import torch
from torch import Tensor

from kakusan.models.control.question import Control
from kakusan.models.image_tokens import ImageTokens
from kakusan.models.unet import DeepFeature, FreeU, Residuals
from kakusan.models.worn import AdapterSet


@dataclass(frozen=True, eq=False)
class Conditioning:
    """What the UNet is told beside latents and noise level, a row for each picture.

    Attributes:
        tokens: text embeddings, shape (batch, tokens, width).
        pooled: of the whole text, shape (batch, width); SDXL only.
        sizes: original size, crop and target size in pixels, shape (batch, 6); SDXL only. The
            refiner has a score of beauty in place of the target size, shape (batch, 5).
        image_tokens: pictures that are attended to besides, one entry for each IP-Adapter.
    """

    tokens: Tensor
    pooled: Tensor | None = None
    sizes: Tensor | None = None
    image_tokens: tuple[ImageTokens, ...] = ()

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, rows: slice) -> Self:
        """Those rows alone."""
        return self.map(lambda tensor: tensor[rows])

    def repeated(self, times: int) -> Self:
        """Every row so many times, one after the other."""
        return self.map(lambda tensor: tensor.repeat_interleave(times, 0))

    def map(self, function: Callable[[Tensor], Tensor]) -> Self:
        """The same of what a function makes of each tensor."""
        return replace(
            self,
            tokens=function(self.tokens),
            pooled=None if self.pooled is None else function(self.pooled),
            sizes=None if self.sizes is None else function(self.sizes),
            image_tokens=tuple(each.map(function) for each in self.image_tokens),
        )

    def to(self, device: torch.device) -> Self:
        """The same on a device."""
        return self.map(lambda tensor: tensor.to(device))


class UNetCall(NamedTuple):
    """One question to the UNet. Rows of different calls may be answered together.

    Attributes:
        sample: latents as the network wants to see them, shape (batch, channels, height, width).
        timestep: of all rows, shape (), on the device of `sample`.
        conditioning: of each row.
        residuals: what ControlNets and T2I-Adapters add to these rows.
        deep: stores the deep feature of these rows, or holds it for the call to reuse.
        upcast: whether to compute in float32, since fewer bits have overflowed.
        guidance: the scale, for networks distilled under it; None for others.
        adapters: what the UNet is to have on; None for what it has on of itself.
        freeu: weighs what the UNet's way up is made of.
        controls: ControlNets that are asked about the same rows first; what they say is added to
            `residuals`.
        is_negative: whether it is about what the picture is pushed away from.
    """

    sample: Tensor
    timestep: Tensor
    conditioning: Conditioning
    residuals: Residuals | None = None
    deep: DeepFeature | None = None
    upcast: bool = False
    guidance: float | None = None
    adapters: AdapterSet | None = None
    freeu: FreeU | None = None
    controls: tuple[Control, ...] = ()
    is_negative: bool = False
