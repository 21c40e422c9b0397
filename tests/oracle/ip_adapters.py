"""IP-Adapters with random weights, as published files hold them."""

from typing import Any

import torch
import transformers
from torch import Tensor

from tests.oracle import tiny

KINDS = ("plain", "plus", "full")
VISION: dict[str, Any] = {
    "hidden_act": "gelu",
    "hidden_size": 48,
    "image_size": 32,
    "intermediate_size": 64,
    "num_attention_heads": 4,
    "num_hidden_layers": 3,
    "patch_size": 2,  # 256 patches, as a full-face adapter wants them
    "projection_dim": 20,
}


def image_encoder(**changes: Any) -> Any:
    """A random picture encoder of the reference library's."""
    config = transformers.CLIPVisionConfig(**{**VISION, **changes})
    return tiny.randomise(transformers.CLIPVisionModelWithProjection(config), seed=31)


def state(unet: Any, kind: str = "plain", seed: int = 0) -> dict[str, dict[str, Tensor]]:
    """Both mappings of a file, for a UNet of the reference's.

    Args:
        kind: one of KINDS.
    """
    context = unet.config.cross_attention_dim
    make = _Random(seed)
    layers: dict[str, Tensor] = {}
    number = 1
    # the order in which the reference registers them: down, up, middle
    for name in unet.attn_processors:
        if "attn2" in name:
            width = unet.get_submodule(name.removesuffix(".processor")).to_q.out_features
            for each in ("to_k_ip", "to_v_ip"):
                layers[f"{number}.{each}.weight"] = make(width, context, gain=1.5)
            number += 2
    return {"image_proj": _PROJECTIONS[kind](make, context), "ip_adapter": layers}


class _Random:
    def __init__(self, seed: int) -> None:
        self._generator = torch.Generator().manual_seed(seed)

    def __call__(self, *shape: int, gain: float = 0.7) -> Tensor:
        noise = torch.randn(shape, generator=self._generator)
        return noise * (gain * shape[-1] ** -0.5 if len(shape) > 1 else 0.1)

    def norm(self, name: str, width: int) -> dict[str, Tensor]:
        return {f"{name}.weight": 1 + self(width), f"{name}.bias": self(width)}

    def linear(self, name: str, out: int, taken: int) -> dict[str, Tensor]:
        return {f"{name}.weight": self(out, taken), f"{name}.bias": self(out)}


def _plain(make: _Random, context: int) -> dict[str, Tensor]:
    taken = VISION["projection_dim"]
    return {**make.linear("proj", 4 * context, taken), **make.norm("norm", context)}


def _full(make: _Random, context: int) -> dict[str, Tensor]:
    taken = VISION["hidden_size"]
    return {
        **make.linear("proj.0", taken, taken),
        **make.linear("proj.2", context, taken),
        **make.norm("proj.3", context),
    }


def _plus(make: _Random, context: int) -> dict[str, Tensor]:
    inner, attended = 32, 128
    found = {
        "latents": make(1, 16, inner, gain=5.0),
        **make.linear("proj_in", inner, VISION["hidden_size"]),
        **make.linear("proj_out", context, inner),
        **make.norm("norm_out", context),
    }
    for layer in range(4):
        first, second = f"layers.{layer}.0", f"layers.{layer}.1"
        found |= make.norm(f"{first}.norm1", inner) | make.norm(f"{first}.norm2", inner)
        found[f"{first}.to_q.weight"] = make(attended, inner, gain=2.0)
        found[f"{first}.to_kv.weight"] = make(2 * attended, inner, gain=1.5)
        found[f"{first}.to_out.weight"] = make(inner, attended)
        found |= make.norm(f"{second}.0", inner)
        found[f"{second}.1.weight"] = make(4 * inner, inner)
        found[f"{second}.3.weight"] = make(inner, 4 * inner)
    return found


_PROJECTIONS = {"plain": _plain, "plus": _plus, "full": _full}
