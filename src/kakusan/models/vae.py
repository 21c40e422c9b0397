"""The VAE: compresses pictures to latents an eighth as high and wide, and back."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from kakusan.models.autoencoder import Autoencoder, DecoderOutput
from kakusan.models.gaussian import DiagonalGaussian
from kakusan.models.layers.basic import Conv2d
from kakusan.models.names import as_linear
from kakusan.models.vae_config import VAEConfig
from kakusan.models.vae_halves import Decoder, Encoder
from kakusan.results import named

# the names of version 1.x's attention
OLD_ATTENTION = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}


@named
class EncoderOutput(NamedTuple):
    """What encoding gives.

    Attributes:
        latent_dist: the distribution over latents, not yet multiplied by `scaling_factor`.
    """

    latent_dist: DiagonalGaussian


class AutoencoderKL(Autoencoder[VAEConfig]):
    """The autoencoder of Stable Diffusion. arXiv:2112.10752, section 3.1."""

    config_class = VAEConfig
    part_names = ("vae",)

    def __init__(self, config: VAEConfig) -> None:
        super().__init__(config)
        channels = config.latent_channels
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)
        self.quant_conv = Conv2d(2 * channels, 2 * channels, 1)
        self.post_quant_conv = Conv2d(channels, channels, 1)

    @property
    def _needs_float32(self) -> bool:
        return self.config.force_upcast

    @property
    def scale_factor(self) -> int:
        return 2 ** (len(self.config.block_out_channels) - 1)

    @property
    def widest(self) -> int:
        return max(self.config.block_out_channels[:2])

    @property
    def tile(self) -> int:
        return max(self.config.sample_size // self.scale_factor, 1) * self.scale_factor

    @property
    def has_deviations(self) -> bool:
        return True

    def encoded(self, pixels: Tensor, tile: int | None = None) -> Tensor:
        return self.encode(pixels, tile=tile)[0].parameters

    def latents_of(self, encoded: Tensor, noise: Tensor | None = None) -> Tensor:
        distribution, scale = DiagonalGaussian(encoded), self.config.scaling_factor
        latents = distribution.mode()
        if noise is not None:
            latents = latents + distribution.std * noise.to(latents)
        statistics = self._statistics(latents)
        if statistics is None:
            return latents * scale
        mean, std = statistics
        return (latents - mean) * scale / std

    def to_pixels(self, latents: Tensor, tile: int | None = None) -> Tensor:
        scale, statistics = self.config.scaling_factor, self._statistics(latents)
        if statistics is None:
            return self.decode(latents / scale, tile=tile)[0]
        mean, std = statistics
        return self.decode(latents * std / scale + mean, tile=tile)[0]

    def _statistics(self, like: Tensor) -> tuple[Tensor, Tensor] | None:
        """Mean and deviation of each channel, (1, c, 1, 1), where latents are freed of them."""
        c = self.config
        if c.latents_mean is None or c.latents_std is None:
            return None
        mean, std = like.new_tensor(c.latents_mean), like.new_tensor(c.latents_std)
        return mean.reshape(1, -1, 1, 1), std.reshape(1, -1, 1, 1)

    def encode(
        self, x: Tensor, return_dict: bool = True, *, tile: int | None = None
    ) -> EncoderOutput | tuple[DiagonalGaussian]:
        """Encode pictures.

        Args:
            x: pictures in [-1, 1], shape (batch, 3, height, width), both multiples of
                `scale_factor`.
            return_dict: False gives a plain tuple.
            tile: the side of the tiles in pixels that a larger picture is taken in, a multiple of
                `scale_factor`; as `enable_tiling` says where not given.

        Returns:
            The distribution over latents, shape (batch, latent_channels, height / scale_factor,
            width / scale_factor), in the dtype of `x`. Multiply a sample by `config.scaling_factor`
            to have what the UNet works on.

        Raises:
            CheckpointError: the weights came from a file and are not finite.
        """
        parameters = self._run(x, self._encode, tile, 1 / self.scale_factor)
        distribution = DiagonalGaussian(parameters)
        return EncoderOutput(distribution) if return_dict else (distribution,)

    def decode(
        self,
        z: Tensor,
        return_dict: bool = True,
        generator: object = None,  # noqa: ARG002
        *,
        tile: int | None = None,
    ) -> DecoderOutput | tuple[Tensor]:
        """Decode latents to pictures.

        Args:
            z: what the UNet works on, divided by `config.scaling_factor`, shape
                (batch, latent_channels, height, width).
            return_dict: False gives a plain tuple.
            generator: taken as scripts pass it; this decoder draws nothing.
            tile: see `encode`.

        Returns:
            Pictures in [-1, 1] or a little beyond, shape (batch, 3, height * scale_factor,
            width * scale_factor), in the dtype of `z`.

        Raises:
            CheckpointError: the weights came from a file and are not finite.
        """
        sample = self._run(z, self._decode, tile, float(self.scale_factor))
        return DecoderOutput(sample) if return_dict else (sample,)

    def forward(
        self,
        x: Tensor,
        *,
        sample_posterior: bool = False,
        generator: torch.Generator | Sequence[torch.Generator] | None = None,
        return_dict: bool = True,
    ) -> DecoderOutput | tuple[Tensor]:
        """Encode and decode; `sample_posterior` draws the latents instead of taking the means."""
        distribution = self.encode(x)[0]
        z = distribution.sample(generator) if sample_posterior else distribution.mode()
        return self.decode(z, return_dict=return_dict)

    def from_published_tensors(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The attention has had other names, and has been 1x1 convolutions."""
        return {
            _todays_name(name): as_linear(tensor) if ".attentions." in name else tensor
            for name, tensor in tensors.items()
        }

    def to_published_tensors(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Today's published names are ours."""
        return dict(tensors)

    def _encode(self, x: Tensor) -> Tensor:
        return self.quant_conv(self.encoder(x))

    def _decode(self, z: Tensor) -> Tensor:
        return self.decoder(self.post_quant_conv(z))


def _todays_name(name: str) -> str:
    layer, dot, rest = name.rpartition(".attentions.0.")
    old, _, kind = rest.rpartition(".")
    return f"{layer}{dot}{OLD_ATTENTION[old]}.{kind}" if dot and old in OLD_ATTENTION else name
