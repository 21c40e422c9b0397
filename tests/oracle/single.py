"""Single files as sharing sites have them: the reference's tiny networks in the original names.

The names are kakusan's own tables read backwards; tests/checkpoints/names compares those with the
reference's converters.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors.torch import save_file
from torch import Tensor, nn

from kakusan.checkpoints.names import text
from kakusan.checkpoints.names.unet import UNetNames
from kakusan.checkpoints.names.vae import VAENames
from tests.oracle import tiny

UNET_PREFIX, VAE_PREFIX = "model.diffusion_model.", "first_stage_model."
WORDS = 49408
UNET: dict[str, Any] = {
    "block_out_channels": [64, 128, 128],
    "cross_attention_dim": 64,
    "norm_num_groups": 32,
    "attention_head_dim": 8,
    "sample_size": 64,
}
VAE: dict[str, Any] = {"block_out_channels": [32, 32, 64, 64], "norm_num_groups": 32}
TEXT: dict[str, Any] = {
    "bos_token_id": 0,
    "eos_token_id": 2,
    "hidden_size": 64,
    "num_attention_heads": 1,
    "num_hidden_layers": 2,
    "vocab_size": WORDS,
}
V2_UNET = UNET | {"attention_head_dim": [1, 2, 2], "use_linear_projection": True}
XL_UNET: dict[str, Any] = V2_UNET | {
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
    "transformer_layers_per_block": [1, 1, 2],
    "cross_attention_dim": 128,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 64 + 6 * 256,
    "sample_size": 128,
}


def unet_tensors(network: nn.Module, prefix: str = UNET_PREFIX) -> dict[str, Tensor]:
    """A UNet's tensors in the original names."""
    state = network.state_dict()
    names = UNetNames.of_diffusers(state)
    return {f"{prefix}{names.to_ldm(name)}": tensor for name, tensor in state.items()}


def vae_tensors(network: nn.Module, prefix: str = VAE_PREFIX) -> dict[str, Tensor]:
    """A VAE's tensors in the original names, its attention as 1x1 convolutions."""
    state = network.state_dict()
    names = VAENames.of(state)
    tensors: dict[str, Tensor] = {}
    for name, tensor in state.items():
        linear = "attentions" in name and tensor.ndim == 2
        tensors[f"{prefix}{names.to_ldm(name)}"] = tensor[:, :, None, None] if linear else tensor
    return tensors


def openclip_tensors(network: nn.Module, prefix: str) -> dict[str, Tensor]:
    """A text encoder's tensors in OpenCLIP's names, fused and transposed as they are there."""
    state = {text.bare(name): tensor for name, tensor in network.state_dict().items()}
    tensors: dict[str, Tensor] = {}
    for name in state:
        target = text.to_openclip(name)
        assert target is not None, name
        whole = text.to_published(target)
        joined = torch.cat([state[each] for each in whole])
        tensors[prefix + target] = joined.T if target == "text_projection" else joined
    return tensors


@dataclass(frozen=True)
class Networks:
    """The reference's networks of one model."""

    unet: Any
    vae: Any
    text_encoder: Any
    text_encoder_2: Any = None


@cache
def v1(in_channels: int = 4) -> Networks:
    """Of version 1."""
    return Networks(
        tiny.unet(**UNET, in_channels=in_channels), tiny.vae(**VAE), tiny.text_encoder(**TEXT)
    )


@cache
def v2() -> Networks:
    """Of version 2: linear projections, OpenCLIP's text encoder."""
    text_encoder = tiny.text_encoder(**TEXT | {"hidden_act": "gelu"})
    return Networks(tiny.unet(**V2_UNET), tiny.vae(**VAE), text_encoder)


@cache
def sdxl(in_channels: int = 4) -> Networks:
    """Of SDXL: two text encoders, sizes, no attention at the finest level."""
    config = transformers.CLIPTextConfig(**tiny.TEXT | TEXT | {"hidden_act": "gelu"})
    config.projection_dim = 64
    with tiny.quiet():
        second = tiny.randomise(transformers.CLIPTextModelWithProjection(config), 5)
    unet = tiny.unet(**XL_UNET, in_channels=in_channels)
    return Networks(unet, tiny.vae(**VAE), tiny.text_encoder(**TEXT), second)


@cache
def refiner() -> Networks:
    """Of SDXL's refiner: one text encoder, a score of beauty."""
    xl = sdxl()
    changes = {
        "cross_attention_dim": 64,
        "projection_class_embeddings_input_dim": 64 + 5 * 256,
    }
    return Networks(tiny.unet(**XL_UNET | changes), xl.vae, None, xl.text_encoder_2)


def v1_tensors(networks: Networks) -> dict[str, Tensor]:
    """A whole file of version 1."""
    texts = networks.text_encoder.state_dict()
    prefix = "cond_stage_model.transformer.text_model."
    return {
        **unet_tensors(networks.unet),
        **vae_tensors(networks.vae),
        **{prefix + text.bare(name): tensor for name, tensor in texts.items()},
        "cond_stage_model.transformer.text_model.embeddings.position_ids": torch.arange(77)[None],
    }


def v2_tensors(networks: Networks, prefix: str = "cond_stage_model.model.") -> dict[str, Tensor]:
    """A whole file of version 2; `prefix` may be that of SD-Turbo's."""
    return {
        **unet_tensors(networks.unet),
        **vae_tensors(networks.vae),
        **openclip_tensors(networks.text_encoder, prefix),
    }


def sdxl_tensors(networks: Networks) -> dict[str, Tensor]:
    """A whole file of SDXL."""
    texts = networks.text_encoder.state_dict()
    prefix = "conditioner.embedders.0.transformer.text_model."
    return {
        **unet_tensors(networks.unet),
        **vae_tensors(networks.vae),
        **{prefix + text.bare(name): tensor for name, tensor in texts.items()},
        **openclip_tensors(networks.text_encoder_2, "conditioner.embedders.1.model."),
        "conditioner.embedders.1.model.logit_scale": torch.tensor(4.605),
    }


def refiner_tensors(networks: Networks) -> dict[str, Tensor]:
    """A whole file of SDXL's refiner."""
    return {
        **unet_tensors(networks.unet),
        **vae_tensors(networks.vae),
        **openclip_tensors(networks.text_encoder_2, "conditioner.embedders.0.model."),
        "conditioner.embedders.0.model.logit_scale": torch.tensor(4.605),
    }


def write(
    path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None
) -> Path:
    """A safetensors file."""
    plain = {name: tensor.detach().clone().contiguous() for name, tensor in tensors.items()}
    save_file(plain, path, metadata={"format": "pt", **(metadata or {})})
    return path
