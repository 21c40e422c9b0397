"""The name tables beside the reference's converters, at the published sizes, both ways."""

from collections.abc import Iterable
from typing import Any

import diffusers
import pytest
import torch
import transformers
from diffusers.loaders import single_file_utils as reference

from kakusan.checkpoints.names import text
from kakusan.checkpoints.names.unet import UNetNames
from kakusan.checkpoints.names.vae import VAENames, today
from tests.oracle import single, tiny

XL: dict[str, Any] = {
    "block_out_channels": (320, 640, 1280),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "transformer_layers_per_block": [1, 2, 10],
    "attention_head_dim": [5, 10, 20],
    "cross_attention_dim": 2048,
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}
REFINER: dict[str, Any] = XL | {
    "block_out_channels": (384, 768, 1536, 1536),
    "down_block_types": ("DownBlock2D", *["CrossAttnDownBlock2D"] * 2, "DownBlock2D"),
    "up_block_types": ("UpBlock2D", *["CrossAttnUpBlock2D"] * 2, "UpBlock2D"),
    "transformer_layers_per_block": 4,
    "attention_head_dim": [6, 12, 24, 24],
    "cross_attention_dim": 1280,
    "projection_class_embeddings_input_dim": 2560,
}
UNETS: dict[str, tuple[dict[str, Any], int, int]] = {
    "v1": ({"cross_attention_dim": 768}, 686, 859_520_964),
    "v2": (
        {
            "cross_attention_dim": 1024,
            "attention_head_dim": [5, 10, 20, 20],
            "use_linear_projection": True,
        },
        686,
        865_910_724,
    ),
    "sdxl": (XL, 1680, 2_567_463_684),
    "refiner": (REFINER, 1220, 2_259_526_660),
}


def there_and_back(names: Iterable[str], forth: Any, back: Any) -> None:
    for name in names:
        other = forth(name)
        assert other is not None, name
        assert back(other) == name


@pytest.mark.parametrize("family", UNETS)
def test_a_unet_of_published_size_has_its_names_in_both_forms(family: str) -> None:
    config, count, parameters = UNETS[family]
    with torch.device("meta"), tiny.quiet():
        network = diffusers.UNet2DConditionModel(**config)
    state = network.state_dict()
    original = single.unet_tensors(network, "model.diffusion_model.")
    assert len(state) == len(original) == count
    assert sum(tensor.numel() for tensor in original.values()) == parameters
    names = UNetNames.of_diffusers(state)
    bare = [name.removeprefix("model.diffusion_model.") for name in original]
    assert UNetNames.of_ldm(bare) == names
    there_and_back(state, names.to_ldm, names.to_diffusers)
    converted = reference.convert_ldm_unet_checkpoint(dict(original), dict(network.config))
    assert {name: id(tensor) for name, tensor in converted.items()} == {
        name: id(original[f"model.diffusion_model.{names.to_ldm(name)}"]) for name in state
    }


def test_the_vae_has_its_names_in_both_forms() -> None:
    with torch.device("meta"), tiny.quiet():
        network = diffusers.AutoencoderKL(
            block_out_channels=(128, 256, 512, 512),
            down_block_types=["DownEncoderBlock2D"] * 4,
            up_block_types=["UpDecoderBlock2D"] * 4,
            layers_per_block=2,
        )
    state = network.state_dict()
    names = VAENames.of(state)
    original = single.vae_tensors(network)
    assert len(original) == 248
    assert VAENames.of([name.removeprefix("first_stage_model.") for name in original]) == names
    there_and_back(state, names.to_ldm, names.to_diffusers)
    converted = reference.convert_ldm_vae_checkpoint(dict(original), dict(network.config))
    assert {name: tensor.shape for name, tensor in converted.items()} == {
        name: tensor.shape for name, tensor in state.items()
    }


def test_the_first_folders_names_of_the_vaes_attention_are_todays() -> None:
    assert today("decoder.mid_block.attentions.0.query.weight") == (
        "decoder.mid_block.attentions.0.to_q.weight"
    )
    kept = "decoder.mid_block.attentions.0.to_out.0.bias"
    assert today(kept) == kept


def test_openclip_has_the_names_of_the_published_encoder() -> None:
    config = transformers.CLIPTextConfig(
        hidden_size=64, num_attention_heads=1, num_hidden_layers=3, intermediate_size=128
    )
    config.projection_dim = 32
    with tiny.quiet():
        network = transformers.CLIPTextModelWithProjection(config)
    original = single.openclip_tensors(network, "conditioner.embedders.1.model.")
    with tiny.quiet():
        converted = reference.convert_open_clip_checkpoint(
            network, dict(original), prefix="conditioner.embedders.1.model."
        )
    state = {text.bare(name): tensor for name, tensor in network.state_dict().items()}
    found = {text.bare(name): tensor for name, tensor in converted.items()}
    assert found.keys() == state.keys()
    for name, tensor in state.items():
        assert torch.equal(found[name], tensor), name


@pytest.mark.parametrize(
    "name", ["input_blocks.99.0.in_layers.0.weight", "input_blocks.x", "out.7.weight", "foo", ""]
)
def test_other_names_have_no_published_one(name: str) -> None:
    assert UNetNames(2, 4, frozenset({1, 2, 3})).to_diffusers(name) is None
