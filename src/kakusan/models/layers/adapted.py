"""Layers with the low-rank products of adapters beside them (arXiv:2106.09685).

The layer's own weight stays as it is, and is shared with the network that was adapted.
"""

from torch import Tensor
from torch.nn import functional as F

from kakusan.checkpoints.adapters.changes import LowRank
from kakusan.models.layers.attention import GEGLU
from kakusan.models.layers.basic import Conv2d, Linear
from kakusan.runtime import kernels


class AdaptedLinear(Linear):
    """A linear layer, and products that are added to its result.

    Attributes:
        beside: `down` (rank, in) and `up` (out, rank), on the layer's device; the strength is in
            their scale.
    """

    beside: tuple[LowRank, ...]

    def forward(self, input: Tensor, residual: Tensor | None = None) -> Tensor:
        out = super().forward(input, residual)
        for down, up, scale in self.beside:
            out = kernels.linear(kernels.linear(input, down, None, None) * scale, up, None, out)
        return out


class AdaptedConv2d(Conv2d):
    """A convolution likewise; `down` (rank, in, side, side) goes over the picture as it does.

    Attributes:
        beside: as above, with `up` (out, rank, 1, 1).
    """

    beside: tuple[LowRank, ...]

    def forward(
        self,
        input: Tensor,
        *,
        enlarge: int = 1,
        sample: Tensor | None = None,
        residual: Tensor | None = None,
    ) -> Tensor:
        out = super().forward(input, enlarge=enlarge, sample=sample, residual=residual)
        stride, padding = self.stride[0], int(self.padding[0])
        for down, up, scale in self.beside:
            low = kernels.convolution(
                input, down, None, stride=stride, padding=padding, enlarge=enlarge
            )
            out = kernels.convolution(low * scale, up, None, stride=1, padding=0, residual=out)
        return out


class AdaptedGEGLU(GEGLU):
    """One whose layer is adapted, so that its result is whole before one half gates the other."""

    def forward(self, x: Tensor) -> Tensor:
        value, gate = self.proj(x).chunk(2, dim=-1)
        return value * F.gelu(gate)
