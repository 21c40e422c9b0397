"""Every published spelling of a network's config that means what these networks are."""

import json
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
import transformers

from kakusan.errors import CheckpointError
from kakusan.models import (
    AutoencoderKL,
    CLIPTextModel,
    SafetyCheckerConfig,
    TextEncoderConfig,
    UNet2DConditionModel,
    UNetConfig,
    VAEConfig,
)
from kakusan.pipeline import StableDiffusionPipeline
from tests.models.comparing import assert_near, noise
from tests.oracle import tiny

# As `EMAModel.save_pretrained` leaves them
AVERAGED = {
    "decay": 0.9999,
    "inv_gamma": 1.0,
    "min_decay": 0.0,
    "optimization_step": 560000,
    "power": 0.6666666666666666,
    "update_after_step": 0,
    "use_ema_warmup": False,
}
SAME_UNET: list[dict[str, Any]] = [
    AVERAGED,
    AVERAGED | {"use_ema_warmup": True},
    {"only_cross_attention": [False, False, False]},
    {"only_cross_attention": [False, False, True]},  # the last level has no attention
    {"sample_size": [8, 8]},
    {"sample_size": None},
    {"attention_head_dim": [4, 4, 4]},
    {"cross_attention_dim": [32, 32, 32]},
    {"layers_per_block": [2, 2, 2]},
    {"transformer_layers_per_block": [1, 1, 1]},
    {"transformer_layers_per_block": 1},
    {"time_cond_proj_dim": None, "class_embed_type": None, "num_class_embeds": None},
    {"mid_block_type": "UNetMidBlock2DCrossAttn", "mid_block_only_cross_attention": None},
    {"time_embedding_dim": 64, "time_embedding_type": "positional", "timestep_post_act": None},
    {"dropout": 0.0, "norm_eps": 1e-5, "conv_in_kernel": 3, "conv_out_kernel": 3},
    {"upcast_attention": True, "attention_type": "default", "act_fn": "silu"},
    {"addition_embed_type": None, "addition_time_embed_dim": None, "encoder_hid_dim": None},
    {"_name_or_path": "a/b", "_diffusers_version": "0.31.0.dev0", "_use_default_values": ["x"]},
    {"dual_cross_attention": False, "use_linear_projection": False, "freq_shift": 0},
    {
        "addition_embed_type_num_heads": 64,
        "resnet_out_scale_factor": 1.0,
        "num_attention_heads": None,
    },
]
OTHER_UNET: list[tuple[dict[str, Any], str]] = [
    ({"only_cross_attention": True}, "'only_cross_attention' is True"),
    ({"only_cross_attention": [True, False, False]}, "'only_cross_attention'"),
    ({"only_cross_attention": [False]}, "a list of 3"),
    ({"only_cross_attention": [0, 0, 0]}, "a list of 3"),
    ({"mid_block_type": "UNetMidBlock2DSimpleCrossAttn"}, "'mid_block_type'"),
    ({"mid_block_only_cross_attention": True}, "'mid_block_only_cross_attention'"),
    ({"flip_sin_to_cos": None}, "'flip_sin_to_cos' is null"),
    ({"norm_num_groups": None}, "'norm_num_groups' is null"),
    ({"cross_attention_dim": None}, "'cross_attention_dim' is null"),
    ({"cross_attention_dim": [32, 16, 32]}, "the same at each level"),
    ({"layers_per_block": [2, 1, 2]}, "the same at each level"),
    ({"sample_size": [8, 8, 8]}, "'sample_size'"),
    ({"sample_size": [8]}, "'sample_size'"),
    ({"time_embedding_dim": 128}, "four times"),
    ({"time_cond_proj_dim": 2}, "'time_cond_proj_dim'"),
    ({"attention_head_dim": [4, 4]}, "'attention_head_dim'"),
    ({"resnet_time_scale_shift": "scale_shift"}, "'resnet_time_scale_shift'"),
    ({"k" * 500: "v" * 9000}, "is not known"),
    ({"act_fn": "x" * 9000}, "'act_fn'"),
    ({"down_block_types": ["y" * 9000] * 3}, "which kakusan does not have"),
]


@pytest.mark.parametrize("spelling", SAME_UNET, ids=str)
def test_unets_of_one_meaning_predict_the_same(
    spelling: dict[str, Any], tiny_v1: Path, tmp_path: Path
) -> None:
    whole = json.loads((tiny_v1 / "unet/config.json").read_text()) | spelling
    (tmp_path / "config.json").write_text(json.dumps(whole))
    weights = "diffusion_pytorch_model.safetensors"
    (tmp_path / weights).symlink_to(tiny_v1 / "unet" / weights)
    ours = UNet2DConditionModel.from_pretrained(tmp_path)
    with tiny.quiet():
        theirs: Any = diffusers.UNet2DConditionModel.from_pretrained(tmp_path)
    sample, text = noise(1, 4, 8, 8), noise(1, 7, 32, seed=1)
    with torch.no_grad():
        assert_near(ours(sample, 500, text).sample, theirs(sample, 500, text).sample)
    assert UNetConfig.from_published(ours.config.to_published()) == ours.config


@pytest.mark.parametrize(("changes", "message"), OTHER_UNET, ids=lambda case: str(case)[:60])
def test_unets_of_another_meaning_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(CheckpointError, match=message) as caught:
        UNetConfig.from_published(tiny.UNET | changes)
    assert len(str(caught.value)) < 300
    assert "\n" not in str(caught.value)


def test_an_oblong_sample_size_is_the_size_of_pictures(tiny_v1: Path, tmp_path: Path) -> None:
    for part in tiny_v1.iterdir():
        if part.name != "unet":
            (tmp_path / part.name).symlink_to(part)
    (tmp_path / "unet").mkdir()
    for file in (tiny_v1 / "unet").iterdir():
        (tmp_path / "unet" / file.name).symlink_to(file)
    config = json.loads((tiny_v1 / "unet/config.json").read_text()) | {"sample_size": [4, 6]}
    (tmp_path / "unet/config.json").unlink()
    (tmp_path / "unet/config.json").write_text(json.dumps(config))
    pipe = StableDiffusionPipeline.from_pretrained(tmp_path)
    pipe.set_progress_bar_config(disable=True)
    assert pipe.unet.config.sample_size == (4, 6)
    factor = pipe.vae.scale_factor
    image = pipe("x", num_inference_steps=1, seed=0).images[0]
    assert image.size == (6 * factor, 4 * factor)
    image = pipe("x", num_inference_steps=1, seed=0, height=8 * factor).images[0]
    assert image.size == (6 * factor, 8 * factor)
    assert pipe.unet.config.to_published()["sample_size"] == [4, 6]


SAME_VAE: list[dict[str, Any]] = [
    {"sample_size": [64, 64]},
    {"shift_factor": None, "latents_mean": None, "latents_std": None},
    {"shift_factor": 0.0, "latents_mean": [0.0] * 4, "latents_std": [1.0] * 4},
    {"use_quant_conv": True, "use_post_quant_conv": True, "mid_block_add_attention": True},
    {"force_upcast": None, "act_fn": "silu", "scaling_factor": 0.18215},
    {"layers_per_block": 2, "_name_or_path": "../sd-vae", "_diffusers_version": "0.6.0"},
    AVERAGED,
]
OTHER_VAE: list[tuple[dict[str, Any], str]] = [
    ({"use_quant_conv": None}, "'use_quant_conv' is null"),
    ({"use_post_quant_conv": False}, "'use_post_quant_conv'"),
    ({"mid_block_add_attention": False}, "'mid_block_add_attention'"),
    ({"latents_mean": [0.1, 0, 0]}, "'latents_mean'"),
    ({"latents_mean": [0.1, 0, 0, "0"]}, "'latents_mean'"),
    ({"latents_std": [2.0, 1.0, 0.0, 1.0]}, "'latents_std'"),
    ({"shift_factor": 0.1}, "'shift_factor'"),
    ({"up_block_types": ["AttnUpDecoderBlock2D"] * 4}, "AttnUpDecoderBlock2D"),
    ({"_class_name": "AsymmetricAutoencoderKL"}, "AsymmetricAutoencoderKL"),
]


@pytest.mark.parametrize("spelling", SAME_VAE, ids=str)
def test_vaes_of_one_meaning_decode_the_same(
    spelling: dict[str, Any], tiny_v1: Path, tmp_path: Path
) -> None:
    whole = json.loads((tiny_v1 / "vae/config.json").read_text()) | spelling
    (tmp_path / "config.json").write_text(json.dumps(whole))
    weights = "diffusion_pytorch_model.safetensors"
    (tmp_path / weights).symlink_to(tiny_v1 / "vae" / weights)
    ours = AutoencoderKL.from_pretrained(tmp_path)
    with tiny.quiet():
        theirs: Any = diffusers.AutoencoderKL.from_pretrained(tmp_path)
    with torch.no_grad():
        latents = noise(1, 4, 4, 4)
        assert_near(ours.decode(latents)[0], theirs.decode(latents)[0])


@pytest.mark.parametrize(("changes", "message"), OTHER_VAE, ids=lambda case: str(case)[:60])
def test_vaes_of_another_meaning_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        VAEConfig.from_published(tiny.VAE | changes)


SAME_TEXT: list[dict[str, Any]] = [
    {"eos_token_id": 2, "bos_token_id": 0},
    {"torch_dtype": "float16", "transformers_version": "4.22.0.dev0", "return_dict": False},
    {"dtype": "float32", "torch_dtype": None, "architectures": None, "output_hidden_states": True},
    {"architectures": ["CLIPTextModelWithProjection"], "projection_dim": 16, "dropout": 0.0},
    {
        "model_type": "clip",
        "initializer_factor": 1.0,
        "attention_dropout": 0.0,
        "id2label": {"0": "A"},
    },
    {"eos_token_id": None, "bos_token_id": None, "pad_token_id": None, "projection_dim": None},
]


@pytest.mark.parametrize("spelling", SAME_TEXT, ids=str)
@pytest.mark.parametrize("nested", [None, "text_config", "text_config_dict"])
def test_text_encoders_of_one_meaning_encode_the_same(
    spelling: dict[str, Any], nested: str | None, tiny_v1: Path, tmp_path: Path
) -> None:
    whole = json.loads((tiny_v1 / "text_encoder/config.json").read_text()) | spelling
    if nested is not None:
        whole = {nested: whole, "model_type": "clip", "vision_config": None, "projection_dim": 9}
    (tmp_path / "config.json").write_text(json.dumps(whole))
    (tmp_path / "model.safetensors").symlink_to(tiny_v1 / "text_encoder/model.safetensors")
    ours = CLIPTextModel.from_pretrained(tmp_path)
    with tiny.quiet():
        theirs: Any = transformers.CLIPTextModel.from_pretrained(tiny_v1 / "text_encoder")
    ids = torch.randint(0, 500, (2, 9), generator=torch.Generator().manual_seed(0))
    ids[:, -1] = theirs.config.eos_token_id
    with torch.no_grad():
        assert_near(ours(ids).last_hidden_state, theirs(ids).last_hidden_state)
    assert TextEncoderConfig.from_published(ours.config.to_published()) == ours.config


def test_old_nested_forms_of_the_safety_checkers_config() -> None:
    vision = {
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_attention_heads": 16,
        "num_hidden_layers": 24,
        "patch_size": 14,
    }
    today = SafetyCheckerConfig.from_published({"vision_config": vision, "projection_dim": 768})
    assert today == SafetyCheckerConfig()
    rest = {"text_config": {"hidden_size": 9}, "logit_scale_init_value": 2.65, "torch_dtype": None}
    for old in (
        {"vision_config_dict": vision, "vision_config": None},
        {"vision_config_dict": None, "vision_config": vision | {"model_type": "clip_vision_model"}},
        {"vision_config_dict": vision, "vision_config": vision | {"patch_size": 32}},
        {"vision_config": vision | {"torch_dtype": "float32", "projection_dim": 512}},
    ):
        published = old | rest | {"projection_dim": 768, "model_type": "clip"}
        assert SafetyCheckerConfig.from_published(published) == today
