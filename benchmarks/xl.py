"""A checkpoint of SDXL base's size with random weights, in the published layout.

    python -m benchmarks.xl FOLDER [--device cuda]

It takes 6.9 GB of disk; while it is written, the UNet takes 10 GB of the device's memory.
"""

import argparse
from pathlib import Path
from typing import Any

import torch

from benchmarks.v1_4 import TEXT, VAE, write_tokenizer

# The published configurations of stabilityai/stable-diffusion-xl-base-1.0
UNET: dict[str, Any] = {
    "sample_size": 128,
    "in_channels": 4,
    "out_channels": 4,
    "block_out_channels": [320, 640, 1280],
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
    "layers_per_block": 2,
    "attention_head_dim": [5, 10, 20],
    "transformer_layers_per_block": [1, 2, 10],
    "cross_attention_dim": 2048,
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}
XL_VAE = VAE | {"sample_size": 1024, "scaling_factor": 0.13025, "force_upcast": True}
TEXT_2 = TEXT | {
    "hidden_size": 1280,
    "intermediate_size": 5120,
    "num_hidden_layers": 32,
    "num_attention_heads": 20,
    "hidden_act": "gelu",
    "projection_dim": 1280,
}
SCHEDULER: dict[str, Any] = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
    "steps_offset": 1,
    "timestep_spacing": "leading",
}

# Floating-point operations of one UNet call at batch 2 on 128x128 latents, and of decoding one
# 1024x1024 picture, as torch.utils.flop_counter counts them
UNET_FLOP = 13.52e12
DECODE_FLOP = 10.47e12


def write_checkpoint(folder: Path, device: torch.device) -> None:
    """Write the whole folder in float16; the weights are made on `device`."""
    from kakusan import (
        AutoencoderKL,
        CLIPTextModel,
        CLIPTokenizer,
        EulerDiscreteScheduler,
        StableDiffusionXLPipeline,
        UNet2DConditionModel,
    )
    from kakusan.models import CLIPTextModelWithProjection

    torch.manual_seed(0)
    write_tokenizer(folder / "tokenizer")
    with device:
        vae = AutoencoderKL.from_config(XL_VAE).half()
        text_encoder = CLIPTextModel.from_config(TEXT).half()
        text_encoder_2 = CLIPTextModelWithProjection.from_config(TEXT_2).half()
        unet = UNet2DConditionModel.from_config(UNET).half()
    pipe = StableDiffusionXLPipeline(
        vae=vae,
        text_encoder=text_encoder,
        text_encoder_2=text_encoder_2,
        tokenizer=CLIPTokenizer.from_pretrained(folder / "tokenizer"),
        tokenizer_2=CLIPTokenizer.from_pretrained(folder / "tokenizer"),
        unet=unet,
        scheduler=EulerDiscreteScheduler.from_config(SCHEDULER),
    )
    pipe.save_pretrained(folder)


def main() -> None:
    """Write the checkpoint to the folder named on the command line."""
    parser = argparse.ArgumentParser(description="write an SDXL-sized checkpoint, random weights")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    arguments = parser.parse_args()
    write_checkpoint(arguments.folder, arguments.device)


if __name__ == "__main__":
    main()
