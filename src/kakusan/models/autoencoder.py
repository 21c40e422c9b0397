"""What every autoencoder has in common: pictures to latents and back, whole or in parts."""

from abc import abstractmethod
from collections.abc import Callable
from typing import NamedTuple, Protocol, TypeVar

import torch
from torch import Tensor

from kakusan.models.model import Model
from kakusan.models.network import PublishedConfig
from kakusan.models.tiling import tiled
from kakusan.results import named
from kakusan.runtime.arena import reused


@named
class DecoderOutput(NamedTuple):
    """What decoding gives.

    Attributes:
        sample: pictures in [-1, 1] or a little beyond, shape (batch, 3, height, width).
    """

    sample: Tensor


class AutoencoderConfig(PublishedConfig, Protocol):
    """The config of any autoencoder."""

    @property
    def latent_channels(self) -> int: ...

    @property
    def scaling_factor(self) -> float: ...


AutoencoderConfigT = TypeVar("AutoencoderConfigT", bound=AutoencoderConfig)


class Autoencoder(Model[AutoencoderConfigT]):
    """Compresses pictures to latents, and brings them back."""

    def __init__(self, config: AutoencoderConfigT) -> None:
        super().__init__(config)
        self._slicing = False
        self._tiling: bool | None = None

    @property
    @abstractmethod
    def scale_factor(self) -> int:
        """Pixels along one side of a latent: 8 in every Stable Diffusion."""

    @property
    def can_encode(self) -> bool:
        """Whether there is an encoder."""
        return True

    @property
    @abstractmethod
    def widest(self) -> int:
        """Channels of the widest feature map near the size of a picture."""

    @property
    @abstractmethod
    def tile(self) -> int:
        """The side of a tile in pixels, where nothing else is asked for."""

    @property
    def has_deviations(self) -> bool:
        """Whether it gives a distribution over latents, of which some can be drawn."""
        return False

    @abstractmethod
    def encoded(self, pixels: Tensor, tile: int | None = None) -> Tensor:
        """What the encoder gives for pixels (b, 3, h, w) in [-1, 1]; see `latents_of`."""

    @abstractmethod
    def latents_of(self, encoded: Tensor, noise: Tensor | None = None) -> Tensor:
        """Latents as the UNet takes them.

        Args:
            encoded: what `encoded` gave.
            noise: standard normal, of the latents' shape: draws them from their distribution; the
                likeliest ones where not given.
        """

    def to_latents(self, pixels: Tensor, tile: int | None = None) -> Tensor:
        """The likeliest latents, as the UNet takes them, of pixels (b, 3, h, w) in [-1, 1]."""
        return self.latents_of(self.encoded(pixels, tile))

    @abstractmethod
    def to_pixels(self, latents: Tensor, tile: int | None = None) -> Tensor:
        """Pixels (b, 3, h, w) in about [-1, 1] of latents as the UNet takes them."""

    @property
    def use_slicing(self) -> bool:
        """Whether it takes one picture of a batch at a time."""
        return self._slicing

    @property
    def use_tiling(self) -> bool:
        """Whether it was told to take large pictures in tiles."""
        return bool(self._tiling)

    def enable_slicing(self) -> None:
        """Take one picture of a batch at a time: less memory."""
        self._slicing = True

    def disable_slicing(self) -> None:
        """Take whole batches again."""
        self._slicing = False

    def enable_tiling(self, use_tiling: bool = True) -> None:
        """Take pictures larger than `tile` in overlapping tiles: far less memory.

        Each tile is normalised on its own, so the colours differ a little from the untiled result.
        """
        self._tiling = use_tiling

    def disable_tiling(self) -> None:
        """Take whole pictures, always."""
        self._tiling = False

    @property
    def tiling(self) -> bool | None:
        """Whether pictures are taken in tiles, as was said last; None where nothing was said.

        A pipeline decides then, by the memory that is free; the VAE itself takes whole pictures.
        """
        return self._tiling

    def _run(
        self, x: Tensor, network: Callable[[Tensor], Tensor], tile: int | None, ratio: float
    ) -> Tensor:
        self.prepare()
        if tile is None and self._tiling:
            tile = self.tile
        side = None if tile is None else tile if ratio < 1 else tile // self.scale_factor
        parts = x.to(self.compute_dtype).split(1 if self._slicing else len(x))
        with reused(self, keep=False):
            if side is not None and max(x.shape[-2:]) > side:
                done = [tiled(part, network, side, ratio) for part in parts]
            else:
                done = [network(part) for part in parts]
        return (done[0] if len(done) == 1 else torch.cat(done)).to(x.dtype)
