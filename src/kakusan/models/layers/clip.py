"""The transformer of CLIP, which reads text in one tower and pictures in the other.

arXiv:2103.00020. Its layers normalise first and project with biases.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kakusan.models.checkpointed import Checkpointed
from kakusan.models.layers.basic import LayerNorm, Linear
from kakusan.runtime.kernels import attention as attend


def quick_gelu(x: Tensor) -> Tensor:
    """The cheap approximation of GELU that OpenAI's CLIP was trained with."""
    return x * torch.sigmoid(1.702 * x)


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"gelu": F.gelu, "quick_gelu": quick_gelu}


class ClipAttention(nn.Module):
    """Multi-head attention of a sequence to itself."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.q_proj = Linear(width, width)
        self.k_proj = Linear(width, width)
        self.v_proj = Linear(width, width)
        self.out_proj = Linear(width, width)

    def forward(self, x: Tensor, mask: Tensor | None, residual: Tensor) -> Tensor:
        out = attend(self.q_proj(x), self.k_proj(x), self.v_proj(x), self.num_heads, mask)
        return self.out_proj(out, residual)


class ClipMLP(nn.Module):
    """The pointwise network of a layer."""

    def __init__(self, width: int, inner_width: int, activation: str) -> None:
        super().__init__()
        self.activation = ACTIVATIONS[activation]
        self.fc1 = Linear(width, inner_width)
        self.fc2 = Linear(inner_width, width)

    def forward(self, x: Tensor, residual: Tensor) -> Tensor:
        return self.fc2(self.activation(self.fc1(x)), residual)


class ClipLayer(Checkpointed):
    """Attention and a pointwise network, each normalised before and added to its input."""

    def __init__(
        self, width: int, inner_width: int, num_heads: int, *, activation: str, eps: float
    ) -> None:
        super().__init__()
        self.layer_norm1 = LayerNorm(width, eps=eps)
        self.self_attn = ClipAttention(width, num_heads)
        self.layer_norm2 = LayerNorm(width, eps=eps)
        self.mlp = ClipMLP(width, inner_width, activation)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        x = self.self_attn(self.layer_norm1(x), mask, residual=x)
        return self.mlp(self.layer_norm2(x), residual=x)


class ClipEncoder(nn.Module):
    """A stack of layers; no normalisation after the last."""

    def __init__(
        self,
        num_layers: int,
        width: int,
        inner_width: int,
        num_heads: int,
        *,
        activation: str,
        eps: float,
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            ClipLayer(width, inner_width, num_heads, activation=activation, eps=eps)
            for _ in range(num_layers)
        )
        self._initialise(num_layers, width)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> list[Tensor]:
        """The input and each layer's output: `num_layers + 1` tensors (batch, tokens, width)."""
        states = [x]
        for layer in self.layers:
            states.append(layer(states[-1], mask))
        return states

    def _initialise(self, num_layers: int, width: int) -> None:
        """Start as CLIP was: residual branches shrink with depth (its paper, section 2.4)."""
        branch = width**-0.5 * (2 * num_layers) ** -0.5
        stds = {"out_proj": width**-0.5, "fc1": (2 * width) ** -0.5}
        for name, module in self.named_modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=stds.get(name.rsplit(".", 1)[-1], branch))
                nn.init.zeros_(module.bias)
