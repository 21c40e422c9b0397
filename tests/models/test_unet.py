"""The UNet beside the reference's."""

import re
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch

from kakusan.errors import CheckpointError, RequestError
from kakusan.models import (
    AddedConditioning,
    DeepFeature,
    TextContext,
    UNet2DConditionModel,
    UNetConfig,
)
from kakusan.models.layers.attention import TransformerBlock
from tests.models.comparing import assert_gradients_near, assert_near, noise
from tests.oracle import tiny

SDXL = {
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 8,
    "attention_head_dim": [2, 4, 8],
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    "projection_class_embeddings_input_dim": 6 * 8 + 24,
    "transformer_layers_per_block": [1, 2, 3],
    "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
    "use_linear_projection": True,
}


def pair(folder: Path) -> tuple[UNet2DConditionModel, Any]:
    with tiny.quiet():
        theirs = diffusers.UNet2DConditionModel.from_pretrained(folder)
    return UNet2DConditionModel.from_pretrained(folder), theirs


@pytest.fixture(scope="module", params=["tiny_v1", "tiny_v1_published", "tiny_v2"])
def both(request: pytest.FixtureRequest) -> tuple[UNet2DConditionModel, Any]:
    return pair(request.getfixturevalue(request.param) / "unet")


@pytest.mark.parametrize("size", [(8, 8), (8, 12), (16, 4), (9, 7)])
@pytest.mark.parametrize("timestep", [981, 0.5, torch.tensor(1), torch.tensor([7, 993])])
def test_predictions(both: Any, size: tuple[int, int], timestep: Any) -> None:
    ours, theirs = both
    sample, text = noise(2, 4, *size), noise(2, 77, ours.config.cross_attention_dim, seed=1)
    with torch.no_grad():
        found, expected = ours(sample, timestep, text), theirs(sample, timestep, text)
    assert_near(found.sample, expected.sample)
    assert found[0] is found.sample


def test_gradients(both: Any) -> None:
    ours, theirs = both
    sample, text = noise(2, 4, 8, 12), noise(2, 77, ours.config.cross_attention_dim, seed=1)
    losses = [net(sample, 500, text)[0].square().mean() for net in both]
    assert_gradients_near(ours, theirs, *losses)


def test_channels_last_gives_the_same(both: Any) -> None:
    ours, _ = both
    sample, text = noise(1, 4, 8, 8), noise(1, 77, ours.config.cross_attention_dim, seed=1)
    with torch.no_grad():
        plain = ours(sample, 500, text).sample
        last = ours.to(memory_format=torch.channels_last)(sample, 500, text).sample
        ours.to(memory_format=torch.contiguous_format)
    assert_near(last, plain)


@torch.no_grad()
def test_every_layer_keeps_the_memory_format(both: Any, torch_only: None) -> None:
    ours, _ = both
    context, emb = noise(1, 77, ours.config.cross_attention_dim), noise(1, 64)
    down = ours.down_blocks[0]
    for memory_format in (torch.contiguous_format, torch.channels_last):
        x = noise(1, 16, 8, 6).contiguous(memory_format=memory_format)
        for result in (down.resnets[0](x, emb), down.attentions[0](x, TextContext(context))):
            assert result.is_contiguous(memory_format=memory_format), "mixed formats are slow"


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_near_and_gives_back_the_callers_dtype(
    tiny_v1: Path, dtype: torch.dtype
) -> None:
    sample, text = noise(2, 4, 8, 8), noise(2, 77, 32, seed=1)
    results = []
    for kept in (torch.float32, dtype):
        unet = UNet2DConditionModel.from_pretrained(tiny_v1 / "unet", torch_dtype=kept)
        assert unet.dtype == kept
        with torch.no_grad():
            results.append(unet(sample.to(kept), 500, text.to(kept)).sample)
            assert unet(sample, 500, text).sample.dtype == torch.float32
    assert results[1].dtype == dtype
    assert_near(results[1].float(), results[0], limit=0.03)


@pytest.mark.parametrize(
    ("family", "depths", "sizes"),
    [
        ("tiny_xl", (0, 2, 3), [[64.0, 96, 0, 8, 64, 96], [1024, 999, 16, 32, 512, 4096]]),
        ("tiny_refiner", (0, 2, 2, 0), [[64.0, 96, 0, 8, 6.0], [1024, 999, 16, 32, 2.5]]),
    ],
)
@pytest.mark.parametrize("size", [(8, 8), (16, 24)])
def test_sdxl(
    family: str,
    depths: tuple[int, ...],
    sizes: list[list[float]],
    size: tuple[int, int],
    request: pytest.FixtureRequest,
    tmp_path: Path,
) -> None:
    ours, theirs = pair(request.getfixturevalue(family) / "unet")
    assert ours.config.transformer_depth == depths
    sample, text = noise(2, 4, *size), noise(2, 77, ours.config.cross_attention_dim, seed=1)
    added = AddedConditioning(noise(2, 24, seed=2), torch.tensor(sizes))
    with torch.no_grad():
        expected = theirs(sample, 500, text, added_cond_kwargs=added._asdict()).sample
        assert_near(ours(sample, 500, text, added).sample, expected)
        again = ours(sample, 500, text, added_cond_kwargs=added._asdict()).sample
        assert_near(again, expected)
        ours.save_pretrained(tmp_path)
        _, saved = pair(tmp_path)
        assert_near(saved(sample, 500, text, added_cond_kwargs=added._asdict()).sample, expected)
    with pytest.raises(RequestError, match="needs added_conditioning"):
        ours(sample, 500, text)


PUBLISHED_XL = {
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "use_linear_projection": True,
}
BASE = PUBLISHED_XL | {
    "attention_head_dim": [5, 10, 20],
    "block_out_channels": [320, 640, 1280],
    "cross_attention_dim": 2048,
    "down_block_types": SDXL["down_block_types"],
    "projection_class_embeddings_input_dim": 2816,
    "transformer_layers_per_block": [1, 2, 10],
    "up_block_types": SDXL["up_block_types"],
}
REFINER = PUBLISHED_XL | {
    "attention_head_dim": [6, 12, 24, 24],
    "block_out_channels": [384, 768, 1536, 1536],
    "cross_attention_dim": 1280,
    "down_block_types": tiny.REFINER_UNET["down_block_types"],
    "projection_class_embeddings_input_dim": 2560,
    "transformer_layers_per_block": 4,
    "up_block_types": tiny.REFINER_UNET["up_block_types"],
}


@pytest.mark.parametrize(
    ("published", "count"),
    [(BASE, 2_567_463_684), (REFINER, 2_259_526_660)],
    ids=["base", "refiner"],
)
def test_published_sizes_of_sdxl(published: dict[str, Any], count: int) -> None:
    with torch.device("meta"):
        unet = UNet2DConditionModel(UNetConfig.from_published(published))
    assert sum(parameter.numel() for parameter in unet.parameters()) == count
    widths = {
        each.attn1.to_q.out_features // each.attn1.num_heads
        for each in unet.modules()
        if isinstance(each, TransformerBlock)
    }
    assert widths == {64}


@pytest.mark.parametrize("family", ["tiny_v1", "tiny_v2"])
def test_the_reference_loads_what_is_saved(
    family: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    ours, _ = pair(request.getfixturevalue(family) / "unet")
    ours.save_pretrained(tmp_path)
    _, theirs = pair(tmp_path)
    sample, text = noise(1, 4, 8, 8), noise(1, 77, ours.config.cross_attention_dim, seed=1)
    with torch.no_grad():
        assert_near(ours(sample, 3, text).sample, theirs(sample, 3, text).sample)


def test_a_tuple_on_demand_and_the_articles_attribute(both: Any) -> None:
    ours, _ = both
    text = noise(1, 77, ours.config.cross_attention_dim)
    result = ours(noise(1, 4, 8, 8), 1, encoder_hidden_states=text, return_dict=False)
    assert type(result) is tuple
    assert ours.in_channels == ours.config.in_channels == 4


def test_a_fresh_network_learns() -> None:
    config = UNetConfig(
        block_out_channels=(32, 32), transformer_depth=(1, 0), num_heads=(2, 2), norm_num_groups=8
    )
    unet = UNet2DConditionModel.from_config(config)
    unet(noise(1, 4, 8, 8), 1, noise(1, 3, 768)).sample.mean().backward()
    assert all(parameter.grad is not None for parameter in unet.parameters())


def test_published_sizes() -> None:
    with torch.device("meta"):
        unet = UNet2DConditionModel(UNetConfig())
    assert sum(parameter.numel() for parameter in unet.parameters()) == 859_520_964


@pytest.mark.parametrize("name", ["tiny_v1", "tiny_v1_published", "tiny_v2"])
def test_config_round_trip(name: str, request: pytest.FixtureRequest) -> None:
    config = UNet2DConditionModel.from_pretrained(request.getfixturevalue(name) / "unet").config
    assert UNetConfig.from_published(config.to_published()) == config


def test_sdxl_config_round_trip() -> None:
    published = tiny.UNET | SDXL | {"upcast_attention": True, "addition_embed_type_num_heads": 64}
    config = UNetConfig.from_published(published)
    assert UNetConfig.from_published(config.to_published()) == config


def test_a_wrong_size_in_configs_of_the_first_versions() -> None:
    sizes = {"0.2.2": 64, "0.8.1": 64, "0.9.0": 32, "0.10.2": 32, "0.42.1": 32}
    for version, size in sizes.items():
        published: dict[str, Any] = {"sample_size": 32, "_diffusers_version": version}
        assert UNetConfig.from_published(published).sample_size == size


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"class_embed_type": "timestep"}, "'class_embed_type'"),
        ({"time_cond_proj_dim": "wide"}, "'time_cond_proj_dim'"),
        ({"addition_embed_type": "image"}, "'addition_embed_type'"),
        ({"act_fn": "gelu"}, "'act_fn'"),
        ({"num_attention_heads": 8}, "'num_attention_heads'"),
        ({"dual_cross_attention": True}, "'dual_cross_attention'"),
        ({"brand_new_feature": 3}, "'brand_new_feature'"),
        ({"down_block_types": ["AttnDownBlock2D"] * 4}, "AttnDownBlock2D"),
        ({"up_block_types": ["CrossAttnUpBlock2D"] * 4}, "'up_block_types'"),
        ({"block_out_channels": [320, 640, 1280, 10**9]}, "'block_out_channels'"),
        ({"block_out_channels": [320, 640]}, "'down_block_types'|must be a list of 4|2 values"),
        ({"block_out_channels": [321, 640, 1280, 1280]}, "321 channels"),
        ({"layers_per_block": 10**6}, "'layers_per_block'"),
        ({"layers_per_block": [2, 2, 2, 1]}, "'layers_per_block'"),
        ({"cross_attention_dim": "wide"}, "'cross_attention_dim'"),
        ({"_class_name": "UNet3DConditionModel"}, "UNet3DConditionModel"),
    ],
)
def test_configs_that_cannot_be_honoured(changes: dict[str, Any], message: str) -> None:
    down = ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"]
    published = {"down_block_types": down, **changes}
    with pytest.raises(CheckpointError, match=message) as caught:
        UNetConfig.from_published(published)
    assert "\n" not in str(caught.value)


def test_configs_that_contradict_themselves() -> None:
    with pytest.raises(CheckpointError, match="num_heads has 1 values for 4 levels"):
        UNetConfig(num_heads=(8,))
    with pytest.raises(CheckpointError, match="middle_transformer_depth is 2"):
        UNetConfig(transformer_depth=(0, 0, 0, 1), middle_transformer_depth=2)
    with pytest.raises(CheckpointError, match="added_time_dim"):
        UNetConfig(added_time_dim=256)


def test_one_text_context_serves_every_step(tiny_v1: Path) -> None:
    unet = UNet2DConditionModel.from_pretrained(tiny_v1, subfolder="unet")
    embeddings = noise(1, 77, unet.config.cross_attention_dim)
    context, projected = TextContext(embeddings), []
    for module in unet.modules():
        if isinstance(module, TransformerBlock):
            module.attn2.to_k.register_forward_hook(lambda *_: projected.append(1))
    with torch.no_grad():
        for step in (900, 500, 1):
            x = noise(1, 4, 8, 8) * step
            assert torch.equal(unet(x, step, context).sample, unet(x, step, embeddings).sample)
    blocks = sum(isinstance(module, TransformerBlock) for module in unet.modules())
    assert len(projected) == blocks + 3 * blocks, "once with the context, each time without"


def test_a_call_that_fills_a_deep_feature_is_exact(both: Any) -> None:
    ours, _ = both
    sample, text = noise(2, 4, 8, 12), noise(2, 77, ours.config.cross_attention_dim, seed=1)
    deep = DeepFeature()
    with torch.no_grad():
        exact = ours(sample, 500, text).sample
        assert torch.equal(ours(sample, 500, text, deep=deep).sample, exact)
        assert deep.tensor is not None
        assert torch.equal(ours(sample, 500, text, deep=deep).sample, exact), "nothing has changed"


def test_a_reused_deep_feature_leaves_only_the_last_layer(tiny_v1: Path) -> None:
    unet = UNet2DConditionModel.from_pretrained(tiny_v1 / "unet")
    sample, text = noise(1, 4, 8, 8), noise(1, 77, 32, seed=1)
    deep = DeepFeature()
    with torch.no_grad():
        unet(sample, 500, text, deep=deep)
        kept = deep.tensor
        called = []
        for name, module in unet.named_modules():
            module.register_forward_hook(lambda *_, name=name: called.append(name))
        near = unet(sample * 0.9, 460, text, deep=deep).sample
        ran = {name for name in called if re.search(r"resnets\.\d$", name)}
        exact = unet(sample * 0.9, 460, text).sample
    assert deep.tensor is kept
    assert ran == {"up_blocks.2.resnets.2"}, "it is the last of the finest level"
    assert not torch.equal(near, exact)
    assert (near - exact).norm() < 0.5 * exact.norm()


def test_a_deep_feature_outlives_a_change_of_dtype(tiny_v1: Path) -> None:
    unet = UNet2DConditionModel.from_pretrained(tiny_v1 / "unet")
    sample, text = noise(1, 4, 8, 8), noise(1, 77, 32, seed=1)
    with torch.no_grad():
        deep = DeepFeature()
        exact = unet(sample, 500, text, deep=deep).sample
        assert deep.tensor is not None
        deep.tensor = deep.tensor.bfloat16()
        assert_near(unet(sample, 500, text, deep=deep).sample, exact, limit=0.03)
