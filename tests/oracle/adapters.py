"""Adapters with random values, in memory and as files that other programs write."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from kakusan.checkpoints.adapters.adapter import Adapter
from kakusan.checkpoints.adapters.changes import Change, Difference, Product

PREFIXES = {"unet": "lora_unet_", "text_encoder": "lora_te_text_model_"}
RANK = 4
STRENGTH = 0.05


def layers(network: nn.Module, words: tuple[str, ...] = ("attn", "ff")) -> Iterator[str]:
    """The names of linear layers that have one of `words`."""
    for name, module in network.named_modules():
        if isinstance(module, nn.Linear) and any(word in name for word in words):
            yield name


def factors(weight: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Factors whose product is far from nothing beside a weight."""
    down = torch.randn(RANK, *weight.shape[1:], generator=generator) / weight[0].numel() ** 0.5
    return down, torch.randn(len(weight), RANK, generator=generator) * STRENGTH * 4


def of_every_layer(network: nn.Module, part: str, seed: int = 0, *, norms: bool = True) -> Adapter:
    """An adapter that changes each weight, and the biases of normalisations if `norms`."""
    generator = torch.Generator().manual_seed(seed)
    changes: dict[str, Change] = {}
    for name, module in network.named_modules():
        weight = module._parameters.get("weight")
        if weight is None or "embedding" in name.split("."):
            continue
        if weight.ndim in (2, 4) and isinstance(module, nn.Linear | nn.Conv2d):
            down, up = factors(weight, generator)
            changes[f"{name}.weight"] = Product(down, up, 0.5)
        elif weight.ndim == 1 and norms:
            value = torch.randn(weight.shape, generator=generator) * STRENGTH
            changes[f"{name}.bias"] = Difference(value)
    return Adapter(f"{part}-{seed}", {part: changes})


def by_hand(network: nn.Module, added: Mapping[str, list[tuple[Change, float]]]) -> None:
    """Add changes to the weights of a network, in place, in the order of each."""
    for name, several in added.items():
        parameter = network.get_parameter(name)
        original, value = parameter.detach().float(), parameter.detach().float()
        for change, strength in several:
            seen = value if change.depends_on_weight else original
            value = value + strength * change.delta(seen)
        parameter.data = value.to(parameter.dtype)


def peft_tensors(networks: Mapping[str, Any], seed: int) -> dict[str, Tensor]:
    """What diffusers writes for the attentions and pointwise networks of a pipeline's parts."""
    generator = torch.Generator().manual_seed(seed)
    tensors: dict[str, Tensor] = {}
    for part, network in networks.items():
        for name in layers(network, ("attn", "ff", "fc")):
            down, up = factors(network.get_submodule(name).weight, generator)
            tensors[f"{part}.{name}.lora_A.weight"] = down
            tensors[f"{part}.{name}.lora_B.weight"] = up
    return tensors


def write_kohya(path: Path, networks: Mapping[str, Any], seed: int) -> Path:
    """A file as kohya's scripts write it, for parts of a pipeline of version 1."""
    generator = torch.Generator().manual_seed(seed)
    tensors: dict[str, Tensor] = {}
    for part, network in networks.items():
        for name in layers(network, ("attn", "ff", "fc")):
            down, up = factors(network.get_submodule(name).weight, generator)
            stem = PREFIXES[part] + name.removeprefix("text_model.").replace(".", "_")
            tensors |= {f"{stem}.lora_down.weight": down, f"{stem}.lora_up.weight": up}
            tensors[f"{stem}.alpha"] = torch.tensor(float(RANK))
    save_file(tensors, path)
    return path
