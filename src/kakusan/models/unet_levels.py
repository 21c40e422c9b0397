"""The levels of the UNet: what happens at one resolution, on the way down and on the way up."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from kakusan.models.layers.attention import SpatialTransformer, TextContext
from kakusan.models.layers.resnet import Downsample, ResnetBlock, Upsample
from kakusan.models.unet_config import UNetConfig
from kakusan.runtime.kernels import concatenate

NORM_EPS = 1e-5


@dataclass
class DeepFeature:
    """What the UNet's last layer takes from all below it, for a later call to take again.

    It changes slowly from step to step, while most of the work goes into it. A call that is given
    one without a tensor computes everything and leaves the feature here, (batch, channels, height,
    width); given one that holds it, it computes only the first convolution and the last layer.
    arXiv:2312.00858.
    """

    tensor: Tensor | None = None


class Level(nn.Module):
    """The residual blocks of one resolution on one way, each followed by attention if there is any.

    Args:
        config: the UNet's.
        index: which level, the finest is 0.
        in_channels: channels that enter each residual block.
        depths: transformer blocks after each of them.
    """

    def __init__(
        self, config: UNetConfig, index: int, in_channels: list[int], depths: Sequence[int]
    ) -> None:
        super().__init__()
        channels = config.block_out_channels[index]
        self.resnets = nn.ModuleList(_resnet(config, n, channels) for n in in_channels)
        self.attentions = nn.ModuleList(
            _transformer(config, index, depth) for depth in depths if depth
        )

    def layer(self, index: int, x: Tensor, emb: Tensor, context: TextContext) -> Tensor:
        """One residual block and its attention."""
        x = self.resnets[index](x, emb)
        return self.attentions[index](x, context) if len(self.attentions) else x


class DownLevel(Level):
    """A level on the way down; all but the last end by halving the resolution."""

    def __init__(self, config: UNetConfig, index: int, in_channels: list[int]) -> None:
        depths = [config.transformer_depth[index]] * len(in_channels)
        super().__init__(config, index, in_channels, depths)
        channels = config.block_out_channels[index]
        last = index == len(config.block_out_channels) - 1
        self.downsamplers = nn.ModuleList(
            [] if last else [Downsample(channels, pad_end_only=False)]
        )

    def forward(self, x: Tensor, emb: Tensor, context: TextContext) -> list[Tensor]:
        """Every intermediate result, for the way up; the last one goes on."""
        outputs: list[Tensor] = []
        for index in range(len(self.resnets)):
            x = self.layer(index, x, emb, context)
            outputs.append(x)
        for downsample in self.downsamplers:
            outputs.append(downsample(x))
        return outputs


class UpLevel(Level):
    """A level on the way up; all but the finest end by enlarging."""

    def __init__(self, config: UNetConfig, index: int, in_channels: list[int]) -> None:
        super().__init__(config, index, in_channels, config.up_depths(index))
        channels = config.block_out_channels[index]
        self.upsamplers = nn.ModuleList([Upsample(channels)] if index > 0 else [])

    def forward(self, x: Tensor, skips: list[Tensor], emb: Tensor, context: TextContext) -> Tensor:
        """Consume `skips` from the end, one for each residual block."""
        x = self.but_last(x, skips, emb, context)
        x = self.last(x, skips, emb, context)
        for upsample in self.upsamplers:
            x = upsample(x, (skips[-1].shape[-2], skips[-1].shape[-1]))
        return x

    def but_last(self, x: Tensor, skips: list[Tensor], emb: Tensor, context: TextContext) -> Tensor:
        """All residual blocks but the last."""
        for index in range(len(self.resnets) - 1):
            x = self.layer(index, concatenate(x, skips.pop()), emb, context)
        return x

    def last(self, x: Tensor, skips: list[Tensor], emb: Tensor, context: TextContext) -> Tensor:
        """The last residual block alone."""
        return self.layer(-1, concatenate(x, skips.pop()), emb, context)


class Middle(nn.Module):
    """Residual block, attention, residual block at the coarsest resolution.

    Distilled networks have the first one alone, or nothing.
    """

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        channels = config.block_out_channels[-1]
        resnets = config.middle_resnets
        self.resnets = nn.ModuleList(_resnet(config, channels, channels) for _ in range(resnets))
        depths = [config.middle_transformer_depth] if resnets == 2 else []
        self.attentions = nn.ModuleList(_transformer(config, -1, depth) for depth in depths)

    def forward(self, x: Tensor, emb: Tensor, context: TextContext) -> Tensor:
        for index, resnet in enumerate(self.resnets):
            x = self.attentions[0](x, context) if index else x
            x = resnet(x, emb)
        return x


def down_levels(config: UNetConfig, skips: list[int]) -> Iterator[DownLevel]:
    """The levels on the way down, noting in `skips` the channels of all that they give."""
    for index, width in enumerate(config.block_out_channels):
        level = DownLevel(config, index, [skips[-1]] + [width] * (config.layers_per_block - 1))
        skips += [width] * (len(level.resnets) + len(level.downsamplers))
        yield level


def up_levels(config: UNetConfig, skips: list[int]) -> Iterator[UpLevel]:
    """The levels on the way up, each residual block taking the last of `skips` besides its own."""
    below = config.block_out_channels[-1]
    for index, width in reversed(list(enumerate(config.block_out_channels))):
        entering = [below] + [width] * config.layers_per_block
        yield UpLevel(config, index, [channels + skips.pop() for channels in entering])
        below = width


def _resnet(config: UNetConfig, in_channels: int, out_channels: int) -> ResnetBlock:
    return ResnetBlock(
        in_channels,
        out_channels,
        emb_channels=4 * config.block_out_channels[0],
        groups=config.norm_num_groups,
        eps=NORM_EPS,
    )


def _transformer(config: UNetConfig, level: int, depth: int) -> SpatialTransformer:
    return SpatialTransformer(
        config.block_out_channels[level],
        config.num_heads[level],
        depth=depth,
        context_width=config.cross_attention_dim,
        groups=config.norm_num_groups,
    )
