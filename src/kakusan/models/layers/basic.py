"""Linear layers, convolutions and normalisations, with what commonly follows each of them.

The parameters are those of torch's modules of the same names; `kakusan.runtime.kernels` computes.
"""

from torch import Tensor, nn

from kakusan.runtime import kernels


class Linear(nn.Linear):
    """A linear layer, whose result may be added to a residual connection of the same shape."""

    def forward(self, input: Tensor, residual: Tensor | None = None) -> Tensor:
        return kernels.linear(input, self.weight, self.bias, residual)


class Conv2d(nn.Conv2d):
    """A convolution with a square kernel.

    Args:
        in_channels: channels in.
        out_channels: channels out.
        side: height and width of the kernel.
        stride: of both directions.
        padding: zeros on all four sides.
        bias: whether something is added to each channel.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        side: int,
        *,
        stride: int = 1,
        padding: int = 0,
        bias: bool = True,
    ) -> None:
        super().__init__(in_channels, out_channels, side, stride, padding, bias=bias)

    def forward(
        self,
        input: Tensor,
        *,
        enlarge: int = 1,
        sample: Tensor | None = None,
        residual: Tensor | None = None,
    ) -> Tensor:
        """See `kakusan.runtime.kernels.convolution` for what may come before and after."""
        return kernels.convolution(
            input,
            self.weight,
            self.bias,
            stride=self.stride[0],
            padding=int(self.padding[0]),
            enlarge=enlarge,
            sample=sample,
            residual=residual,
        )


class GroupNorm(nn.GroupNorm):
    """Group normalisation of a feature map, followed by SiLU where `silu` says so."""

    def __init__(self, groups: int, channels: int, *, eps: float, silu: bool = False) -> None:
        super().__init__(groups, channels, eps=eps)
        self.silu = silu

    def forward(self, input: Tensor) -> Tensor:
        return kernels.group_norm(
            input, self.num_groups, self.weight, self.bias, self.eps, silu=self.silu
        )


class LayerNorm(nn.LayerNorm):
    """Layer normalisation over the last dimension."""

    def __init__(self, width: int, *, eps: float = 1e-5) -> None:
        super().__init__(width, eps=eps)

    def forward(self, input: Tensor) -> Tensor:
        return kernels.layer_norm(input, self.weight, self.bias, self.eps)
