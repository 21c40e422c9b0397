"""A checkpoint of Stable Diffusion v1.4's size with random weights, made by the reference.

Nothing here needs a download: what a UNet call costs, what a folder takes to load and how far
two implementations differ does not depend on what the weights have learned.

    python -m benchmarks.v1_4 FOLDER [--size tiny]
"""

import argparse
import json
from pathlib import Path
from typing import Any, Literal

import torch

Size = Literal["v1.4", "tiny"]

# The published configurations of CompVis/stable-diffusion-v1-4
UNET: dict[str, Any] = {
    "sample_size": 64,
    "in_channels": 4,
    "out_channels": 4,
    "block_out_channels": [320, 640, 1280, 1280],
    "layers_per_block": 2,
    "attention_head_dim": 8,
    "cross_attention_dim": 768,
}
VAE: dict[str, Any] = {
    "sample_size": 512,
    "block_out_channels": [128, 256, 512, 512],
    "layers_per_block": 2,
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
}
TEXT: dict[str, Any] = {
    "vocab_size": 49408,
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "max_position_embeddings": 77,
    "hidden_act": "quick_gelu",
    "projection_dim": 768,
    "bos_token_id": 49406,
    "eos_token_id": 49407,
    "pad_token_id": 49407,
}
SCHEDULER: dict[str, Any] = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
    "steps_offset": 1,
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
}
# The same shape, small enough to try a benchmark out in seconds
TINY_UNET = UNET | {
    "sample_size": 16,
    "block_out_channels": [32, 64, 64, 64],
    "layers_per_block": 1,
    "cross_attention_dim": 32,
}
TINY_VAE = VAE | {"sample_size": 128, "block_out_channels": [32, 32, 64, 64], "layers_per_block": 1}
TINY_TEXT = TEXT | {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "projection_dim": 32,
}

# Floating-point operations of one UNet call at batch 2 on 64x64 latents, and of decoding one
# 512x512 picture, counting a multiplication and an addition as two
UNET_FLOP = 1.606e12
DECODE_FLOP = 2.48e12


def write_unet(folder: Path, size: Size = "v1.4") -> None:
    """Write the UNet in float16 with the reference library."""
    from diffusers import UNet2DConditionModel

    torch.manual_seed(0)
    UNet2DConditionModel(**(UNET if size == "v1.4" else TINY_UNET)).half().save_pretrained(folder)


def write_vae(folder: Path, size: Size = "v1.4") -> None:
    """Write the VAE in float16 with the reference library."""
    from diffusers import AutoencoderKL

    torch.manual_seed(1)
    AutoencoderKL(**(VAE if size == "v1.4" else TINY_VAE)).half().save_pretrained(folder)


def write_text_encoder(folder: Path, size: Size = "v1.4") -> None:
    """Write the text encoder in float16 with the reference library."""
    from transformers import CLIPTextConfig, CLIPTextModel

    torch.manual_seed(2)
    config = CLIPTextConfig(**(TEXT if size == "v1.4" else TINY_TEXT))
    CLIPTextModel(config).half().save_pretrained(folder)


def write_tokenizer(folder: Path) -> None:
    """Write a byte-level vocabulary of CLIP's size; its merges join pairs of bytes."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [n for n in range(256) if n not in printable]
    letters = [chr(n) for n in printable] + [chr(256 + i) for i in range(len(others))]
    symbols = [*letters, *(letter + "</w>" for letter in letters)]
    pairs = [(a, b) for a in letters for b in symbols][: TEXT["vocab_size"] - len(symbols) - 2]
    specials = ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = [*symbols, *(a + b for a, b in pairs), *specials]
    folder.mkdir(parents=True, exist_ok=True)
    ids = {token: i for i, token in enumerate(vocabulary)}
    (folder / "vocab.json").write_text(json.dumps(ids, ensure_ascii=False), encoding="utf-8")
    merges = "\n".join(["#version: 0.2", *(f"{a} {b}" for a, b in pairs), ""])
    (folder / "merges.txt").write_text(merges, encoding="utf-8")
    names = {"bos_token": specials[0], "eos_token": specials[1], "unk_token": specials[1]}
    settings = names | {
        "pad_token": specials[1],
        "model_max_length": 77,
        "tokenizer_class": "CLIPTokenizer",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    special_tokens = names | {"pad_token": specials[1]}
    (folder / "special_tokens_map.json").write_text(json.dumps(special_tokens), encoding="utf-8")


def write_checkpoint(folder: Path, size: Size = "v1.4") -> None:
    """Write a whole pipeline folder, without a safety checker: 2.13 GB at v1.4's size."""
    from diffusers import PNDMScheduler

    write_unet(folder / "unet", size)
    write_vae(folder / "vae", size)
    write_text_encoder(folder / "text_encoder", size)
    write_tokenizer(folder / "tokenizer")
    PNDMScheduler(**SCHEDULER).save_pretrained(folder / "scheduler")
    index = {
        "_class_name": "StableDiffusionPipeline",
        "_diffusers_version": "0.42.1",
        "feature_extractor": [None, None],
        "requires_safety_checker": False,
        "safety_checker": [None, None],
        "scheduler": ["diffusers", "PNDMScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
    (folder / "model_index.json").write_text(json.dumps(index, indent=2), encoding="utf-8")


def write_lcm_checkpoint(folder: Path, size: Size = "v1.4") -> None:
    """Write a folder of a latent consistency model, whose UNet is told the guidance."""
    from diffusers import LCMScheduler, UNet2DConditionModel

    write_checkpoint(folder, size)
    config = UNET if size == "v1.4" else TINY_UNET
    torch.manual_seed(0)
    UNet2DConditionModel(**config, time_cond_proj_dim=256).half().save_pretrained(folder / "unet")
    settings = {k: v for k, v in SCHEDULER.items() if k != "skip_prk_steps"}
    LCMScheduler(**settings | {"set_alpha_to_one": True}).save_pretrained(folder / "scheduler")
    index = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
    index |= {
        "_class_name": "LatentConsistencyModelPipeline",
        "scheduler": ["diffusers", "LCMScheduler"],
    }
    (folder / "model_index.json").write_text(json.dumps(index, indent=2), encoding="utf-8")


def write_tiny_vae(folder: Path) -> None:
    """Write a TAESD, whose size is the same for every UNet, in float16."""
    from diffusers import AutoencoderTiny

    torch.manual_seed(3)
    AutoencoderTiny().half().save_pretrained(folder)


def write_with_kakusan(folder: Path, size: Size = "v1.4") -> None:
    """The same folder without the reference library, for machines that lack it."""
    from kakusan import (
        AutoencoderKL,
        CLIPTextModel,
        CLIPTokenizer,
        PNDMScheduler,
        StableDiffusionPipeline,
        UNet2DConditionModel,
    )

    full = size == "v1.4"
    torch.manual_seed(0)
    write_tokenizer(folder / "tokenizer")
    pipe = StableDiffusionPipeline(
        vae=AutoencoderKL.from_config(VAE if full else TINY_VAE).half(),
        text_encoder=CLIPTextModel.from_config(TEXT if full else TINY_TEXT).half(),
        tokenizer=CLIPTokenizer.from_pretrained(folder / "tokenizer"),
        unet=UNet2DConditionModel.from_config(UNET if full else TINY_UNET).half(),
        scheduler=PNDMScheduler.from_config(SCHEDULER),
    )
    pipe.save_pretrained(folder)


def main() -> None:
    """Write the checkpoint to the folder named on the command line."""
    parser = argparse.ArgumentParser(description="write a v1.4-sized checkpoint, random weights")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", choices=("v1.4", "tiny"), default="v1.4")
    arguments = parser.parse_args()
    write_checkpoint(arguments.folder, arguments.size)


if __name__ == "__main__":
    main()
