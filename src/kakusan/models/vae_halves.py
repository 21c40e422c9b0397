"""The two halves of the VAE: convolutions down to the latents, and up again."""

from torch import Tensor, nn

from kakusan.models.layers.attention import PictureAttention
from kakusan.models.layers.basic import Conv2d, GroupNorm
from kakusan.models.layers.resnet import Downsample, ResnetBlock, Upsample
from kakusan.models.vae_config import VAEConfig

NORM_EPS = 1e-6


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
        self.conv_in = Conv2d(config.in_channels, widths[0], 3, padding=1)
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
        self.conv_norm_out = GroupNorm(groups, widths[-1], eps=NORM_EPS, silu=True)
        self.conv_out = Conv2d(widths[-1], 2 * config.latent_channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_in(x)
        for down in self.down_blocks:
            x = down(x)
        return self.conv_out(self.conv_norm_out(self.mid_block(x)))


class Decoder(nn.Module):
    """Latents to picture."""

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        widths, groups = config.block_out_channels[::-1], config.norm_num_groups
        self.conv_in = Conv2d(config.latent_channels, widths[0], 3, padding=1)
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
        self.conv_norm_out = GroupNorm(groups, widths[-1], eps=NORM_EPS, silu=True)
        self.conv_out = Conv2d(widths[-1], config.out_channels, 3, padding=1)

    def forward(self, z: Tensor) -> Tensor:
        x = self.mid_block(self.conv_in(z))
        for up in self.up_blocks:
            x = up(x)
        return self.conv_out(self.conv_norm_out(x))


def _resnet(in_channels: int, out_channels: int, groups: int) -> ResnetBlock:
    return ResnetBlock(in_channels, out_channels, emb_channels=0, groups=groups, eps=NORM_EPS)
