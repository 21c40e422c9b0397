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


def guidance_embedding(guidance: Tensor, dim: int, *, dtype: torch.dtype = torch.float32) -> Tensor:
    """Sines and then cosines of guidance, for networks that were distilled under it.

    Args:
        guidance: scales less 1, shape (n,).
        dim: width of the result; an odd one ends in 0.
        dtype: in which it is computed, and of the result.

    Returns:
        Shape (n, dim). arXiv:2310.04378, as its authors' program has it.
    """
    half = dim // 2
    step = math.log(10000.0) / (half - 1)
    device = guidance.device
    frequencies = torch.exp(torch.arange(half, dtype=dtype, device=device) * -step)
    angles = (1000.0 * guidance).to(dtype)[:, None] * frequencies[None, :]
    waves = torch.cat([torch.sin(angles), torch.cos(angles)], dim=-1)
    return F.pad(waves, (0, dim % 2))


class TimestepEmbedding(nn.Module):
    """Two linear layers from the sinusoidal embedding to the width of the residual blocks.

    Args:
        in_dim: width of the sinusoidal embedding.
        out_dim: width of the residual blocks' embedding.
        guidance_dim: width of an embedding of guidance that is added before; 0 for none.
    """

    def __init__(self, in_dim: int, out_dim: int, *, guidance_dim: int = 0) -> None:
        super().__init__()
        if guidance_dim:
            self.cond_proj = Linear(guidance_dim, in_dim, bias=False)
        self.linear_1 = Linear(in_dim, out_dim)
        self.linear_2 = Linear(out_dim, out_dim)

    def forward(self, x: Tensor, guidance: Tensor | None = None) -> Tensor:
        if guidance is not None:
            x = x + self.cond_proj(guidance)
        return self.linear_2(F.silu(self.linear_1(x)))
