"""The VAE: compresses pictures to latents an eighth as high and wide, and back."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kakusan.models.gaussian import DiagonalGaussian
from kakusan.models.layers.attention import PictureAttention
from kakusan.models.layers.resnet import Downsample, ResnetBlock, Upsample
from kakusan.models.model import Model
from kakusan.models.names import as_linear
from kakusan.models.tiling import tiled
from kakusan.models.vae_config import VAEConfig

NORM_EPS = 1e-6
# the names of version 1.x's attention
OLD_ATTENTION = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}


class EncoderOutput(NamedTuple):
    """What encoding gives.

    Attributes:
        latent_dist: the distribution over latents, not yet multiplied by `scaling_factor`.
    """

    latent_dist: DiagonalGaussian


class DecoderOutput(NamedTuple):
    """What decoding gives.

    Attributes:
        sample: pictures in [-1, 1] or a little beyond, shape (batch, 3, height, width).
    """

    sample: Tensor


class VAELevel(nn.Module):
    """The residual blocks of one resolution and the change to the next."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        layers: int,
        groups: int,
        change: nn.Module | None,
    ) -> None:
        super().__init__()
        entering = [in_channels] + [out_channels] * (layers - 1)
        self.resnets = nn.ModuleList(_resnet(n, out_channels, groups) for n in entering)
        found = nn.ModuleList([] if change is None else [change])
        self.downsamplers = found if isinstance(change, Downsample) else nn.ModuleList()
        self.upsamplers = found if isinstance(change, Upsample) else nn.ModuleList()

    def forward(self, x: Tensor) -> Tensor:
        for resnet in self.resnets:
            x = resnet(x)
        for downsample in self.downsamplers:
            x = downsample(x)
        for upsample in self.upsamplers:
            x = upsample(x, (2 * x.shape[-2], 2 * x.shape[-1]))
        return x


class VAEMiddle(nn.Module):
    """Residual block, attention, residual block at the coarsest resolution."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(_resnet(channels, channels, groups) for _ in range(2))
        self.attentions = nn.ModuleList([PictureAttention(channels, groups=groups, eps=NORM_EPS)])

    def forward(self, x: Tensor) -> Tensor:
        return self.resnets[1](self.attentions[0](self.resnets[0](x)))


class Encoder(nn.Module):
    """Picture to means and logarithms of variances."""

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        widths, groups = config.block_out_channels, config.norm_num_groups
        self.conv_in = nn.Conv2d(config.in_channels, widths[0], 3, padding=1)
        self.down_blocks = nn.ModuleList(
            VAELevel(
                widths[max(index - 1, 0)],
                width,
                config.layers_per_block,
                groups,
                Downsample(width, pad_end_only=True) if index < len(widths) - 1 else None,
            )
            for index, width in enumerate(widths)
        )
        self.mid_block = VAEMiddle(widths[-1], groups)
        self.conv_norm_out = nn.GroupNorm(groups, widths[-1], eps=NORM_EPS)
        self.conv_out = nn.Conv2d(widths[-1], 2 * config.latent_channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_in(x)
        for down in self.down_blocks:
            x = down(x)
        return self.conv_out(F.silu(self.conv_norm_out(self.mid_block(x))))


class Decoder(nn.Module):
    """Latents to picture."""

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        widths, groups = config.block_out_channels[::-1], config.norm_num_groups
        self.conv_in = nn.Conv2d(config.latent_channels, widths[0], 3, padding=1)
        self.mid_block = VAEMiddle(widths[0], groups)
        self.up_blocks = nn.ModuleList(
            VAELevel(
                widths[max(index - 1, 0)],
                width,
                config.layers_per_block + 1,
                groups,
                Upsample(width) if index < len(widths) - 1 else None,
            )
            for index, width in enumerate(widths)
        )
        self.conv_norm_out = nn.GroupNorm(groups, widths[-1], eps=NORM_EPS)
        self.conv_out = nn.Conv2d(widths[-1], config.out_channels, 3, padding=1)

    def forward(self, z: Tensor) -> Tensor:
        x = self.mid_block(self.conv_in(z))
        for up in self.up_blocks:
            x = up(x)
        return self.conv_out(F.silu(self.conv_norm_out(x)))


class AutoencoderKL(Model[VAEConfig]):
    """The autoencoder of Stable Diffusion. arXiv:2112.10752, section 3.1."""

    config_class = VAEConfig

    def __init__(self, config: VAEConfig) -> None:
        super().__init__(config)
        channels = config.latent_channels
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)
        self.quant_conv = nn.Conv2d(2 * channels, 2 * channels, 1)
        self.post_quant_conv = nn.Conv2d(channels, channels, 1)
        self._slicing = False
        self._tiling = False

    @property
    def scale_factor(self) -> int:
        """Pixels along one side of a latent: 8 in every Stable Diffusion."""
        return 2 ** (len(self.config.block_out_channels) - 1)

    def enable_slicing(self) -> None:
        """Take one picture of a batch at a time: less memory."""
        self._slicing = True

    def disable_slicing(self) -> None:
        """Take whole batches again."""
        self._slicing = False

    def enable_tiling(self) -> None:
        """Take pictures larger than `config.sample_size` in overlapping tiles: far less memory.

        Each tile is normalised on its own, so the colours differ a little from the untiled result.
        """
        self._tiling = True

    def disable_tiling(self) -> None:
        """Take whole pictures again."""
        self._tiling = False

    def encode(
        self, x: Tensor, *, return_dict: bool = True
    ) -> EncoderOutput | tuple[DiagonalGaussian]:
        """Encode pictures.

        Args:
            x: pictures in [-1, 1], shape (batch, 3, height, width), both multiples of
                `scale_factor`.
            return_dict: False gives a plain tuple.

        Returns:
            The distribution over latents, in the dtype of `x`. Multiply a sample by
            `config.scaling_factor` to have what the UNet works on.
        """
        parameters = self._run(x, self._encode, self._tile, 1 / self.scale_factor)
        distribution = DiagonalGaussian(parameters)
        return EncoderOutput(distribution) if return_dict else (distribution,)

    def decode(self, z: Tensor, *, return_dict: bool = True) -> DecoderOutput | tuple[Tensor]:
        """Decode latents, divided by `config.scaling_factor`, to pictures of their dtype."""
        tile = self._tile // self.scale_factor
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

    @property
    def _tile(self) -> int:
        return max(self.config.sample_size // self.scale_factor, 1) * self.scale_factor

    def _run(
        self, x: Tensor, network: Callable[[Tensor], Tensor], tile: int, ratio: float
    ) -> Tensor:
        self.prepare()
        parts = x.to(self.dtype).split(1 if self._slicing else len(x))
        if self._tiling and max(x.shape[-2:]) > tile:
            done = [tiled(part, network, tile, ratio) for part in parts]
        else:
            done = [network(part) for part in parts]
        return (done[0] if len(done) == 1 else torch.cat(done)).to(x.dtype)

    def _encode(self, x: Tensor) -> Tensor:
        return self.quant_conv(self.encoder(x))

    def _decode(self, z: Tensor) -> Tensor:
        return self.decoder(self.post_quant_conv(z))


def _resnet(in_channels: int, out_channels: int, groups: int) -> ResnetBlock:
    return ResnetBlock(in_channels, out_channels, emb_channels=0, groups=groups, eps=NORM_EPS)


def _todays_name(name: str) -> str:
    layer, dot, rest = name.rpartition(".attentions.0.")
    old, _, kind = rest.rpartition(".")
    return f"{layer}{dot}{OLD_ATTENTION[old]}.{kind}" if dot and old in OLD_ATTENTION else name
