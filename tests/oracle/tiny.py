"""Tiny checkpoints of both families, written by the reference libraries with random weights."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from diffusers.pipelines.stable_diffusion import StableDiffusionSafetyChecker
from torch import nn

from tests.oracle import bpe

VOCABULARY = bpe.vocabulary()
SCHEDULER: dict[str, Any] = {
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "num_train_timesteps": 1000,
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
    "trained_betas": None,
}
UNET: dict[str, Any] = {
    "attention_head_dim": 4,
    "block_out_channels": [16, 32, 32],
    "cross_attention_dim": 32,
    "down_block_types": ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
    "layers_per_block": 2,
    "norm_num_groups": 8,
    "sample_size": 8,
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"],
}
ONE_LEVEL_UNET: dict[str, Any] = {
    "attention_head_dim": 2,
    "block_out_channels": [16],
    "cross_attention_dim": 8,
    "down_block_types": ["CrossAttnDownBlock2D"],
    "layers_per_block": 1,
    "norm_num_groups": 4,
    "up_block_types": ["CrossAttnUpBlock2D"],
}
VAE: dict[str, Any] = {
    "block_out_channels": [8, 16, 16, 32],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "latent_channels": 4,
    "layers_per_block": 2,
    "norm_num_groups": 8,
    "sample_size": 64,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
}
TEXT: dict[str, Any] = {
    "bos_token_id": VOCABULARY[bpe.START],
    "eos_token_id": VOCABULARY[bpe.END],
    "hidden_act": "quick_gelu",
    "hidden_size": 32,
    "intermediate_size": 64,
    "max_position_embeddings": 77,
    "num_attention_heads": 4,
    "num_hidden_layers": 3,
    "projection_dim": 32,
    "vocab_size": len(VOCABULARY),
}
# SDXL's second text encoder; its file says 2 where the end token is another
TEXT_2: dict[str, Any] = {
    "eos_token_id": 2,
    "hidden_act": "gelu",
    "hidden_size": 40,
    "num_attention_heads": 5,
    "projection_dim": 24,
}
# Every level another depth; as many heads as its attention is 8 wide
XL_UNET: dict[str, Any] = {
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 8,
    "attention_head_dim": [2, 4, 4],
    "cross_attention_dim": TEXT["hidden_size"] + TEXT_2["hidden_size"],
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    "projection_class_embeddings_input_dim": TEXT_2["projection_dim"] + 6 * 8,
    "transformer_layers_per_block": [1, 2, 3],
    "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
    "use_linear_projection": True,
}
REFINER_UNET: dict[str, Any] = XL_UNET | {
    "attention_head_dim": [2, 4, 4, 4],
    "block_out_channels": [16, 32, 32, 32],
    "cross_attention_dim": TEXT_2["hidden_size"],
    "down_block_types": [
        *("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D")
    ],
    "projection_class_embeddings_input_dim": TEXT_2["projection_dim"] + 5 * 8,
    "transformer_layers_per_block": 2,
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
}
XL_SCHEDULER: dict[str, Any] = {
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "clip_sample": False,
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
    "timestep_spacing": "leading",
}
VISION: dict[str, Any] = {
    "hidden_size": 32,
    "image_size": 224,
    "intermediate_size": 64,
    "num_attention_heads": 4,
    "num_hidden_layers": 2,
    "patch_size": 56,
}


@dataclass(frozen=True)
class Family:
    """How a family differs from version 1."""

    pad_token: str = bpe.END
    unet: dict[str, Any] = field(default_factory=dict[str, Any])
    text: dict[str, Any] = field(default_factory=dict[str, Any])
    scheduler: dict[str, Any] = field(default_factory=dict[str, Any])


V1 = Family(scheduler={"clip_sample": False})
V2 = Family(
    pad_token="!",
    unet={
        "attention_head_dim": [2, 4, 8],
        "cross_attention_dim": 40,
        "use_linear_projection": True,
    },
    text={"hidden_act": "gelu", "hidden_size": 40, "num_attention_heads": 5, "projection_dim": 24},
    scheduler={"prediction_type": "v_prediction"},
)


@contextmanager
def quiet() -> Iterator[None]:
    """The reference libraries warn and draw progress bars about things that are not tested."""
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    diffusers.utils.logging.disable_progress_bar()
    diffusers.utils.logging.set_verbosity_error()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def randomise(module: nn.Module, seed: int) -> nn.Module:
    """Give every layer about unit gain, so that all that goes in shows in what comes out.

    Attention to the text is sharpened, or else 77 averaged tokens would hardly differ.
    """
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in module.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        if "embedding.weight" in name and parameter.ndim == 2:
            values = noise * 0.5
        elif parameter.ndim > 1:
            gain = 2.0 if "attn2.to_q" in name or "attn2.to_k" in name else 0.7
            values = noise * gain * parameter[0].numel() ** -0.5
        else:
            values = noise * 0.1 + ("norm" in name and name.endswith("weight"))
        parameter.data.copy_(values)
    return module.eval()


def unet(**changes: Any) -> diffusers.UNet2DConditionModel:
    """A random UNet of the reference library."""
    with quiet():
        network = randomise(diffusers.UNet2DConditionModel(**UNET | changes), 1)
    network.conv_out.weight.data *= 1.5
    return network


def vae(**changes: Any) -> diffusers.AutoencoderKL:
    """A random VAE of the reference library."""
    with quiet():
        return randomise(diffusers.AutoencoderKL(**VAE | changes), 2)


def text_encoder(**changes: Any) -> transformers.CLIPTextModel:
    """A random text encoder of the reference library."""
    with quiet():
        return randomise(
            transformers.CLIPTextModel(transformers.CLIPTextConfig(**TEXT | changes)), 3
        )


def text_encoder_2(**changes: Any) -> transformers.CLIPTextModelWithProjection:
    """A random text encoder with a projection, SDXL's second, of the reference library."""
    with quiet():
        config = transformers.CLIPTextConfig(**TEXT | TEXT_2 | changes)
        return randomise(transformers.CLIPTextModelWithProjection(config), 5)


def safety_checker() -> StableDiffusionSafetyChecker:
    """A random safety checker of the reference library; its thresholds flag about half."""
    with quiet():
        config = transformers.CLIPConfig(text_config=TEXT, vision_config=VISION, projection_dim=32)
        network = randomise(StableDiffusionSafetyChecker(config), 4)
    network.concept_embeds_weights.data.fill_(0.35)
    network.special_care_embeds_weights.data.fill_(0.2)
    return network


def tokenizer(folder: Path, pad_token: str) -> transformers.CLIPTokenizer:
    """The reference's tokenizer, from published files that are written to `folder`."""
    bpe.write_files(folder, pad_token=pad_token)
    with quiet():
        return transformers.CLIPTokenizer.from_pretrained(folder)


def write_lcm(folder: Path) -> Path:
    """Write a pipeline whose UNet was distilled under guidance, with the reference's class."""
    with quiet():
        pipeline = diffusers.LatentConsistencyModelPipeline(
            vae=vae(),
            text_encoder=text_encoder(),
            tokenizer=tokenizer(folder / "tokenizer", bpe.END),
            unet=unet(time_cond_proj_dim=24),
            scheduler=diffusers.LCMScheduler(),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
        pipeline.save_pretrained(folder)
    return folder


def write_pipeline(folder: Path, family: Family, *, checked: bool = False) -> Path:
    """Write a whole pipeline with the reference's `save_pretrained`."""
    with quiet():
        pipeline = diffusers.StableDiffusionPipeline(
            vae=vae(),
            text_encoder=text_encoder(**family.text),
            tokenizer=tokenizer(folder / "tokenizer", family.pad_token),
            unet=unet(**family.unet),
            scheduler=diffusers.PNDMScheduler.from_config(SCHEDULER | family.scheduler),
            safety_checker=safety_checker() if checked else None,
            feature_extractor=transformers.CLIPImageProcessorPil() if checked else None,
            requires_safety_checker=checked,
        )
        pipeline.save_pretrained(folder)
    return folder


def write_xl(folder: Path, *, zeros: bool = True) -> Path:
    """Write a whole SDXL with the reference's `save_pretrained`."""
    with quiet():
        diffusers.StableDiffusionXLPipeline(
            vae=vae(force_upcast=True, scaling_factor=0.13025),
            text_encoder=text_encoder(),
            text_encoder_2=text_encoder_2(),
            tokenizer=tokenizer(folder / "tokenizer", bpe.END),
            tokenizer_2=tokenizer(folder / "tokenizer_2", "!"),
            unet=unet(**XL_UNET),
            scheduler=diffusers.EulerDiscreteScheduler.from_config(XL_SCHEDULER),
            force_zeros_for_empty_prompt=zeros,
        ).save_pretrained(folder)
    return folder


def write_refiner(folder: Path) -> Path:
    """Write a whole refiner with the reference's `save_pretrained`."""
    with quiet():
        diffusers.StableDiffusionXLImg2ImgPipeline(
            vae=vae(force_upcast=True, scaling_factor=0.13025),
            text_encoder=None,
            text_encoder_2=text_encoder_2(),
            tokenizer=None,
            tokenizer_2=tokenizer(folder / "tokenizer_2", "!"),
            unet=unet(**REFINER_UNET),
            scheduler=diffusers.EulerDiscreteScheduler.from_config(XL_SCHEDULER),
            requires_aesthetics_score=True,
            force_zeros_for_empty_prompt=False,
        ).save_pretrained(folder)
    return folder
