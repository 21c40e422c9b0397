"""T2I-Adapter: a small network that looks at a picture once, before the first step.

arXiv:2302.08453.
"""

from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn import functional as F

from kakusan.checkpoints.single_file.control import AdapterCheckpoint
from kakusan.errors import RequestError
from kakusan.models.control.t2i_adapter_config import T2IAdapterConfig
from kakusan.models.layers.basic import Conv2d
from kakusan.models.model import Model


class AdapterResnet(nn.Module):
    """Two convolutions around a skip connection; the second is as small as `side` says."""

    def __init__(self, channels: int, side: int) -> None:
        super().__init__()
        self.block1 = Conv2d(channels, channels, 3, padding=1)
        self.block2 = Conv2d(channels, channels, side, padding=side // 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.block2(F.relu(self.block1(x)), residual=x)


class AdapterLevel(nn.Module):
    """Residual blocks at one resolution, which may be half of what enters."""

    def __init__(self, entering: int, leaving: int, blocks: int, *, halves: bool, light: bool):
        super().__init__()
        inner = leaving // 4 if light else leaving
        self.halves, self.light, self.widens = halves, light, light or entering != leaving
        if self.widens:
            self.in_conv = Conv2d(entering, inner, 1)
        self.resnets = nn.ModuleList(AdapterResnet(inner, 3 if light else 1) for _ in range(blocks))
        if light:
            self.out_conv = Conv2d(inner, leaving, 1)

    def forward(self, x: Tensor) -> Tensor:
        if self.halves:
            x = F.avg_pool2d(x, 2, ceil_mode=True)
        if self.widens:
            x = self.in_conv(x)
        for resnet in self.resnets:
            x = resnet(x)
        return self.out_conv(x) if self.light else x


class _Adapter(nn.Module):
    """The network as the published names have it, one below."""

    def __init__(self, config: T2IAdapterConfig) -> None:
        super().__init__()
        self.factor, light = config.downscale_factor, config.adapter_type == "light_adapter"
        self.convolves = not light
        if self.convolves:
            unshuffled = config.in_channels * config.downscale_factor**2
            self.conv_in = Conv2d(unshuffled, config.channels[0], 3, padding=1)
        self.body = nn.ModuleList(
            AdapterLevel(entering, leaving, config.num_res_blocks, halves=halves, light=light)
            for entering, leaving, halves in config.levels
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        x = F.pixel_unshuffle(x, self.factor)
        if self.convolves:
            x = self.conv_in(x)
        features: list[Tensor] = []
        for level in self.body:
            x = level(x)
            features.append(x)
        return features


class T2IAdapter(Model[T2IAdapterConfig]):
    """Features of a picture that are added on a UNet's way down, the same at every step."""

    config_class = T2IAdapterConfig
    part_names = ("adapter",)
    checkpoint_class = AdapterCheckpoint

    def __init__(self, config: T2IAdapterConfig) -> None:
        super().__init__(config)
        self.adapter = _Adapter(config)

    @property
    def downscale_factor(self) -> int:
        """Pixels along one side of the first level's positions."""
        return self.config.downscale_factor

    @property
    def total_downscale_factor(self) -> int:
        """Pixels along one side of the coarsest level's positions."""
        return self.config.total_downscale_factor

    def forward(self, x: Tensor) -> list[Tensor]:
        """The features of each level, the finest first.

        Args:
            x: pictures, shape (batch, in_channels, height, width), in [0, 1].

        Raises:
            RequestError: They do not fit this network.
        """
        channels, factor = self.config.in_channels, self.downscale_factor
        if x.ndim != 4 or x.shape[1] != channels or any(side % factor for side in x.shape[-2:]):
            raise RequestError(
                f"the control picture has shape {tuple(x.shape)}; this T2I-Adapter takes (batch, "
                f"{channels}, height, width), both multiples of {factor}"
            )
        self.prepare()
        return self.adapter(x.to(self.compute_dtype))

    def from_published_tensors(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return dict(tensors)

    def to_published_tensors(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return dict(tensors)
