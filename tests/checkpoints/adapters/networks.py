"""Shapes of full-size models, and the names that adapters of them have, counted out by hand."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from kakusan.models.skeleton import skeleton
from kakusan.models.text_encoder import CLIPTextModel, CLIPTextModelWithProjection
from kakusan.models.text_encoder_config import ProjectedTextConfig, TextEncoderConfig
from kakusan.models.unet import UNet2DConditionModel
from kakusan.models.unet.config import UNetConfig

Shapes = dict[str, dict[str, tuple[int, ...]]]
_TEXT: dict[str, Any] = {
    "v1": {},
    "v2": {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 23},
    "g": {"hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 32},
}
_HEADS = {"v1": 12, "v2": 16, "g": 20}
_XL: dict[str, Any] = {
    "block_out_channels": (320, 640, 1280),
    "transformer_depth": (0, 2, 10),
    "middle_transformer_depth": 10,
    "num_heads": (5, 10, 20),
    "cross_attention_dim": 2048,
    "linear_projection": True,
    "added_time_dim": 256,
    "added_conditioning_dim": 2816,
}
_UNETS: dict[str, Any] = {
    "v1": {},
    "inpainting": {"in_channels": 9},
    "v2": {"num_heads": (5, 10, 20, 20), "cross_attention_dim": 1024, "linear_projection": True},
    "sdxl": _XL,
}
_TEXTS = {"v1": ("v1",), "inpainting": ("v1",), "v2": ("v2",), "sdxl": ("v1", "g")}


def shapes_of(module: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(each.shape) for name, each in module.named_parameters()}


@cache
def full_size(family: str) -> Shapes:
    """Of the published models: "v1", "inpainting" (of v1), "v2" and "sdxl"."""
    with skeleton():
        found = {"unet": shapes_of(UNet2DConditionModel(UNetConfig(**_UNETS[family])))}
        for number, kind in enumerate(_TEXTS[family]):
            settings = {"num_attention_heads": _HEADS[kind], **_TEXT[kind]}
            if kind == "g":
                config = ProjectedTextConfig(**settings, projection_dim=1280)
                network: nn.Module = CLIPTextModelWithProjection(config)
            else:
                network = CLIPTextModel(TextEncoderConfig(**settings))
            found["text_encoder_2" if number else "text_encoder"] = shapes_of(network)
    return found


def block_names(depth: int) -> Iterator[str]:
    """The layers of one attention of a UNet that trainers adapt."""
    yield "proj_in"
    yield "proj_out"
    for n in range(depth):
        for attention in ("attn1", "attn2"):
            for part in ("to_q", "to_k", "to_v", "to_out.0"):
                yield f"transformer_blocks.{n}.{attention}.{part}"
        yield f"transformer_blocks.{n}.ff.net.0.proj"
        yield f"transformer_blocks.{n}.ff.net.2"


def attentions(family: str) -> dict[str, tuple[str, int]]:
    """Published names of a UNet's attentions -> those of the original release, and their depth."""
    found: dict[str, tuple[str, int]] = {}
    if family == "sdxl":
        for n in range(2):
            found[f"down_blocks.1.attentions.{n}"] = (f"input_blocks.{4 + n}.1", 2)
            found[f"down_blocks.2.attentions.{n}"] = (f"input_blocks.{7 + n}.1", 10)
        for n in range(3):
            found[f"up_blocks.0.attentions.{n}"] = (f"output_blocks.{n}.1", 10)
            found[f"up_blocks.1.attentions.{n}"] = (f"output_blocks.{3 + n}.1", 2)
        found["mid_block.attentions.0"] = ("middle_block.1", 10)
        return found
    for level in range(3):
        for n in range(2):
            original = f"input_blocks.{1 + 3 * level + n}.1"
            found[f"down_blocks.{level}.attentions.{n}"] = (original, 1)
        for n in range(3):
            original = f"output_blocks.{3 * (level + 1) + n}.1"
            found[f"up_blocks.{level + 1}.attentions.{n}"] = (original, 1)
    found["mid_block.attentions.0"] = ("middle_block.1", 1)
    return found


def unet_layers(family: str, *, original: bool = False) -> dict[str, str]:
    """What a LoRA of a UNet is of: our names -> the same, or those of the original release."""
    return {
        f"{ours}.{layer}": f"{theirs if original else ours}.{layer}"
        for ours, (theirs, depth) in attentions(family).items()
        for layer in block_names(depth)
    }


def text_layers(count: int) -> list[str]:
    """What a LoRA of a text encoder is of."""
    parts = [f"self_attn.{name}" for name in ("q_proj", "k_proj", "v_proj", "out_proj")]
    return [f"encoder.layers.{n}.{part}" for n in range(count) for part in (*parts, *_MLP)]


_MLP = ("mlp.fc1", "mlp.fc2")


def pair(shape: tuple[int, ...], rank: int = 1) -> tuple[Tensor, Tensor]:
    """Down and up of a layer, without numbers to speak of."""
    return torch.zeros(rank, *shape[1:]), torch.zeros(shape[0], rank)
