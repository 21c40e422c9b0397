"""Low-rank adaptation (arXiv:2106.09685): a few small matrices learn, the checkpoint stays."""

import math
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from kakusan.checkpoints.files import atomic
from kakusan.models.layers.attention import Attention
from kakusan.models.layers.basic import Linear


class LoRALinear(Linear):
    """A frozen linear layer plus a product of rank r, which begins at nothing.

    Args:
        layer: the layer that is adapted; its parameters are shared.
        rank: of the product.
        alpha: the product is scaled by alpha / rank.
        generator: draws what the product's first factor begins with; torch's own where None.
    """

    def __init__(
        self, layer: nn.Linear, rank: int, alpha: float, generator: torch.Generator | None = None
    ) -> None:
        super().__init__(layer.in_features, layer.out_features)
        self.weight, self.bias = layer.weight, layer.bias
        self.scale = alpha / rank
        where = layer.weight.device
        drawn = torch.empty(rank, layer.in_features)
        nn.init.kaiming_uniform_(drawn, a=math.sqrt(5), generator=generator)
        self.lora_A = nn.Parameter(drawn.to(where))
        self.lora_B = nn.Parameter(torch.zeros(layer.out_features, rank, device=where))

    def forward(self, input: Tensor, residual: Tensor | None = None) -> Tensor:
        out = super().forward(input, residual)
        low = nn.functional.linear(input, self.lora_A.to(input.dtype))
        return out + self.scale * nn.functional.linear(low, self.lora_B.to(input.dtype))


def adapt(
    unet: nn.Module,
    rank: int,
    alpha: float | None = None,
    *,
    generator: torch.Generator | None = None,
) -> dict[str, LoRALinear]:
    """Freeze a UNet and put adapters on the projections of all its attentions, in place.

    Args:
        unet: whose attentions are adapted.
        rank: of each adapter.
        alpha: their scale times the rank; the rank where not given.
        generator: of the CPU, draws what they begin with; torch's own where not given.

    Returns:
        The adapters by the names of the layers they stand for.
    """
    unet.requires_grad_(False)
    adapters: dict[str, LoRALinear] = {}
    for name, module in list(unet.named_modules()):
        if not isinstance(module, Attention):
            continue
        for part in ("to_q", "to_k", "to_v", "to_out.0"):
            layer = module.get_submodule(part)
            assert isinstance(layer, nn.Linear)
            adapter = LoRALinear(layer, rank, alpha or rank, generator)
            parent, _, child = part.rpartition(".")
            setattr(module.get_submodule(parent), child, adapter)
            adapters[f"{name}.{part}"] = adapter
    return adapters


def lora_tensors(adapters: Mapping[str, LoRALinear]) -> dict[str, Tensor]:
    """Under the names that peft gave them, which diffusers and others load."""
    tensors: dict[str, Tensor] = {}
    for name, adapter in adapters.items():
        root = math.sqrt(adapter.scale)  # names without an alpha mean a scale of 1
        tensors[f"unet.{name}.lora_A.weight"] = (adapter.lora_A * root).detach().contiguous()
        tensors[f"unet.{name}.lora_B.weight"] = (adapter.lora_B * root).detach().contiguous()
    return tensors


def save_lora(adapters: Mapping[str, LoRALinear], path: Path) -> None:
    """Write adapters as one safetensors file, whole or not at all."""
    with atomic(path) as temporary:
        save_file(lora_tensors(adapters), temporary, metadata={"format": "pt"})
