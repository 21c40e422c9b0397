"""How a timestep, a number, becomes a vector that every residual block can add."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kakusan.models.layers.basic import Linear


def sinusoidal_embedding(values: Tensor, dim: int) -> Tensor:
    """Cosines and then sines of `values` at geometrically spaced frequencies.

    Computed in float32 whatever the network's dtype: half precision cannot tell step 997 from 998.

    Args:
        values: shape (n,), any real dtype.
        dim: width of the result, even.

    Returns:
        Shape (n, dim), float32. arXiv:1706.03762, section 3.5, with cosine first.
    """
    half = dim // 2
    exponents = -math.log(10000) * torch.arange(half, dtype=torch.float32, device=values.device)
    angles = values[:, None].float() * torch.exp(exponents / half)[None, :]
    return torch.cat([torch.cos(angles), torch.sin(angles)], dim=-1)


class TimestepEmbedding(nn.Module):
    """Two linear layers from the sinusoidal embedding to the width of the residual blocks."""

    def __init__(self, in_dim: int, out_dim: int) -> None:
        super().__init__()
        self.linear_1 = Linear(in_dim, out_dim)
        self.linear_2 = Linear(out_dim, out_dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear_2(F.silu(self.linear_1(x)))
