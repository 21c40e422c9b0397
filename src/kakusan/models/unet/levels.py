"""The levels of the UNet: what happens at one resolution, on the way down and on the way up."""

from collections.abc import Iterator, Sequence

from torch import Tensor, nn

from kakusan.models.layers.attention import SpatialTransformer, TextContext
from kakusan.models.layers.resnet import Downsample, ResnetBlock, Upsample
from kakusan.models.unet.config import UNetConfig
from kakusan.models.unet.freeu import Weights
from kakusan.models.unet.residuals import added
from kakusan.runtime.kernels import concatenate

NORM_EPS = 1e-5


class Level(nn.Module):
    """The residual blocks of one resolution on one way, each followed by attention if there is any.

    Args:
        config: the UNet's.
        index: which level, the finest is 0.
        in_channels: channels that enter each residual block.
        depths: transformer blocks after each of them; None is no attention at all.
    """

    def __init__(
        self, config: UNetConfig, index: int, in_channels: list[int], depths: Sequence[int | None]
    ) -> None:
        super().__init__()
        channels = config.block_out_channels[index]
        self.resnets = nn.ModuleList(_resnet(config, n, channels) for n in in_channels)
        self.attentions = nn.ModuleList(
            _transformer(config, index, depth) for depth in depths if depth is not None
        )

    def layer(self, index: int, x: Tensor, emb: Tensor, context: TextContext) -> Tensor:
        """One residual block and its attention."""
        x = self.resnets[index](x, emb)
        return self.attentions[index](x, context) if len(self.attentions) else x


class DownLevel(Level):
    """A level on the way down; all but the last end by halving the resolution."""

    def __init__(self, config: UNetConfig, index: int, in_channels: list[int]) -> None:
        depths = [config.down_depth(index)] * len(in_channels)
        super().__init__(config, index, in_channels, depths)
        channels = config.block_out_channels[index]
        last = index == len(config.block_out_channels) - 1
        self.downsamplers = nn.ModuleList(
            [] if last else [Downsample(channels, pad_end_only=False)]
        )

    def forward(
        self, x: Tensor, emb: Tensor, context: TextContext, feature: Tensor | None = None
    ) -> list[Tensor]:
        """Every intermediate result, for the way up; the last one goes on.

        Args:
            feature: a T2I-Adapter's, see `Residuals`.
        """
        outputs: list[Tensor] = []
        for index in range(len(self.resnets)):
            x = self.layer(index, x, emb, context)
            outputs.append(x)
        attends = len(self.attentions) > 0
        if attends:
            outputs[-1] = added(outputs[-1], feature)
        for downsample in self.downsamplers:
            outputs.append(downsample(outputs[-1]))
        if not attends:
            outputs[-1] = added(outputs[-1], feature)
        return outputs


class UpLevel(Level):
    """A level on the way up; all but the finest end by enlarging."""

    def __init__(self, config: UNetConfig, index: int, in_channels: list[int]) -> None:
        depths = [depth or None for depth in config.up_depths(index)]
        super().__init__(config, index, in_channels, depths)
        channels = config.block_out_channels[index]
        self.upsamplers = nn.ModuleList([Upsample(channels)] if index > 0 else [])

    def forward(
        self,
        x: Tensor,
        skips: list[Tensor],
        emb: Tensor,
        context: TextContext,
        weights: Weights | None = None,
    ) -> Tensor:
        """Consume `skips` from the end, one for each residual block.

        Args:
            weights: FreeU's, of what enters each of them.
        """
        x = self.but_last(x, skips, emb, context, weights)
        x = self.last(x, skips, emb, context, weights)
        for upsample in self.upsamplers:
            x = upsample(x, (skips[-1].shape[-2], skips[-1].shape[-1]))
        return x

    def but_last(
        self,
        x: Tensor,
        skips: list[Tensor],
        emb: Tensor,
        context: TextContext,
        weights: Weights | None,
    ) -> Tensor:
        """All residual blocks but the last."""
        for index in range(len(self.resnets) - 1):
            x = self.layer(index, _entering(x, skips.pop(), weights), emb, context)
        return x

    def last(
        self,
        x: Tensor,
        skips: list[Tensor],
        emb: Tensor,
        context: TextContext,
        weights: Weights | None,
    ) -> Tensor:
        """The last residual block alone."""
        return self.layer(-1, _entering(x, skips.pop(), weights), emb, context)


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


def _entering(x: Tensor, skip: Tensor, weights: Weights | None) -> Tensor:
    return concatenate(x, skip) if weights is None else concatenate(*weights.on(x, skip))


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
