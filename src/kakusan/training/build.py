"""Trains the built-in model from nothing and writes it as a published folder."""

import dataclasses
import shutil
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from kakusan.checkpoints.files import write_json
from kakusan.models import AutoencoderKL, CLIPTextModel, UNet2DConditionModel
from kakusan.pipeline.parts import DEFAULTS, write_index
from kakusan.text import CLIPTokenizer
from kakusan.training.captions import caption
from kakusan.training.diffusion import (
    DiffusionStage,
    Networks,
    begin_quietly,
    draw_scenes,
    encode_scenes,
)
from kakusan.training.recipe import Recipe
from kakusan.training.scenes import Painter, random_scene
from kakusan.training.trainer import train
from kakusan.training.vae import DecoderStage, VAEStage, new_vae
from kakusan.training.vocabulary import learn_merges, write_tokenizer


def build(recipe: Recipe, run: Path, output: Path) -> None:
    """Train both stages in the folder `run`, going on where it was stopped, and write `output`."""
    began, began_cpu = time.monotonic(), time.process_time()
    tokenizer = build_tokenizer(recipe, run / "tokenizer")
    vae = train_vae(recipe, run)
    stage = train_diffusion(recipe, run, vae, tokenizer)
    export(recipe, stage, run / "tokenizer", output)
    minutes, cpu = (time.monotonic() - began) / 60, (time.process_time() - began_cpu) / 60
    print(f"{output} written after {minutes:.1f} min ({cpu:.1f} min of CPU)", file=sys.stderr)


def build_tokenizer(recipe: Recipe, folder: Path) -> CLIPTokenizer:
    """Learn the vocabulary from captions and return its tokenizer."""
    rng = np.random.default_rng(recipe.seed)
    captions = (caption(random_scene(rng), rng) for _ in range(recipe.captions))
    write_tokenizer(folder, learn_merges(captions), recipe.text.max_position_embeddings)
    return CLIPTokenizer.from_pretrained(folder)


def train_vae(recipe: Recipe, run: Path) -> AutoencoderKL:
    """Train the autoencoder, then its decoder alone; return it frozen, with averaged weights."""
    vae = new_vae(recipe.vae, recipe.seed)
    for kind, settings in (
        (VAEStage, recipe.vae_settings),
        (DecoderStage, recipe.decoder_settings),
    ):
        stage = kind(
            vae, settings, pixels=recipe.pixels, kl_weight=recipe.kl_weight, seed=recipe.seed
        )
        train(stage, run)
    return vae.eval().requires_grad_(False)


def train_diffusion(
    recipe: Recipe, run: Path, vae: AutoencoderKL, tokenizer: CLIPTokenizer
) -> DiffusionStage:
    """Train UNet and text encoder, on varied scenes, then on plainer ones; return that stage."""
    networks = new_networks(recipe, tokenizer)
    varied = diffusion_stage(recipe, run, "unet", networks, vae, tokenizer)
    train(varied, run)
    focused = diffusion_stage(recipe, run, "focus", networks, vae, tokenizer, scale=varied.scale)
    train(focused, run)
    return focused


def new_networks(recipe: Recipe, tokenizer: CLIPTokenizer) -> Networks:
    """Return UNet and text encoder with seeded weights."""
    torch.manual_seed(recipe.seed)
    text = dataclasses.replace(
        recipe.text,
        vocab_size=tokenizer.vocab_size,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    networks = Networks(UNet2DConditionModel(recipe.unet), CLIPTextModel(text))
    begin_quietly(networks)
    return networks


def diffusion_stage(
    recipe: Recipe,
    run: Path,
    name: str,
    networks: Networks,
    vae: AutoencoderKL,
    tokenizer: CLIPTokenizer,
    *,
    scale: float | None = None,
) -> DiffusionStage:
    """Encode a stage's scenes and return the stage; a `scale` of None is measured from them."""
    variety = recipe.focus_variety if name == "focus" else 1.0
    settings = recipe.focus_settings if name == "focus" else recipe.unet_settings
    scenes = draw_scenes(recipe.scenes, recipe.seed, variety)
    path = run / f"{name}-latents.safetensors"
    latents = encode_scenes(vae, scenes, Painter(recipe.pixels), path)
    scale = scale or latent_scale(latents)
    scaled = (latents.float() * scale).half()
    return DiffusionStage(
        name,
        networks,
        vae,
        tokenizer,
        scaled,
        scenes,
        settings,
        seed=recipe.seed,
        scale=scale,
    )


def latent_scale(latents: Tensor) -> float:
    """Return what gives latents a standard deviation of 1, to four digits."""
    return float(f"{1 / float(latents.float().std()):.4g}")


def export(recipe: Recipe, stage: DiffusionStage, tokenizer: Path, output: Path) -> None:
    """Write the published folder: weights in float16, configs, tokenizer, our defaults."""
    vae = AutoencoderKL(dataclasses.replace(recipe.vae, scaling_factor=stage.scale))
    vae.load_state_dict(stage.vae.state_dict())
    unet, text_encoder = stage.networks.unet, stage.networks.text_encoder
    vae.half().save_pretrained(output / "vae")
    unet.half().save_pretrained(output / "unet")
    text_encoder.half().save_pretrained(output / "text_encoder")
    stage.scheduler.save_pretrained(output / "scheduler")
    shutil.copytree(tokenizer, output / "tokenizer", dirs_exist_ok=True)
    parts = {
        "vae": vae,
        "text_encoder": text_encoder,
        "tokenizer": stage.tokenizer,
        "unet": unet,
        "scheduler": stage.scheduler,
        "safety_checker": None,
        "feature_extractor": None,
    }
    write_index(output, parts)
    write_json(output / DEFAULTS, {"num_inference_steps": 25, "guidance_scale": 3.0})
