"""Residual convolution blocks and the layers that halve or double a picture."""

from torch import Tensor, nn
from torch.nn import functional as F

from kakusan.models.checkpointed import Checkpointed
from kakusan.models.layers.basic import Conv2d, GroupNorm, Linear


class ResnetBlock(Checkpointed):
    """GroupNorm, SiLU and a 3x3 convolution, twice, around a skip connection.

    Args:
        in_channels: channels in.
        out_channels: channels out; a 1x1 convolution adapts the skip connection where they differ.
        emb_channels: width of the time embedding added in between; 0 for none.
        groups: groups of the normalisations.
        eps: epsilon of the normalisations: 1e-5 in the UNet, 1e-6 in the VAE.
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, emb_channels: int, groups: int, eps: float
    ) -> None:
        super().__init__()
        self.norm1 = GroupNorm(groups, in_channels, eps=eps, silu=True)
        self.conv1 = Conv2d(in_channels, out_channels, 3, padding=1)
        if emb_channels:
            self.time_emb_proj = Linear(emb_channels, out_channels)
        self.norm2 = GroupNorm(groups, out_channels, eps=eps, silu=True)
        self.conv2 = Conv2d(out_channels, out_channels, 3, padding=1)
        if in_channels != out_channels:
            self.conv_shortcut = Conv2d(in_channels, out_channels, 1)
        self.adapts_skip = in_channels != out_channels

    def forward(self, x: Tensor, emb: Tensor | None = None) -> Tensor:
        """`emb` is the time embedding after its SiLU, shape (batch, emb_channels)."""
        time = None if emb is None else self.time_emb_proj(emb)
        h = self.conv1(self.norm1(x), sample=time)
        skip = self.conv_shortcut(x) if self.adapts_skip else x
        return self.conv2(self.norm2(h), residual=skip)


class Downsample(nn.Module):
    """Halve height and width with a stride-2 convolution.

    Args:
        channels: channels in and out.
        pad_end_only: pad the right and the bottom only, as the VAE's encoder was trained, and not
            all four sides.
    """

    def __init__(self, channels: int, *, pad_end_only: bool) -> None:
        super().__init__()
        self.conv = Conv2d(channels, channels, 3, stride=2, padding=0 if pad_end_only else 1)
        self.pad_end_only = pad_end_only

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.pad(x, (0, 1, 0, 1)) if self.pad_end_only else x)


class Upsample(nn.Module):
    """Enlarge by nearest neighbour, then convolve."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        """`size` is the height and width to reach; not always the double of an odd size's half."""
        if size == (2 * x.shape[-2], 2 * x.shape[-1]):
            return self.conv(x, enlarge=2)
        return self.conv(F.interpolate(x, size=size, mode="nearest"))
