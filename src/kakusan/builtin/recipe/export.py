"""Writes the model that a run has learnt as a published folder, from the run's files alone."""

import dataclasses
import shutil
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor

from kakusan.builtin.recipe.diffusion import noise_scheduler
from kakusan.builtin.recipe.recipe import Recipe
from kakusan.checkpoints.files import write_json
from kakusan.errors import CheckpointError, InputError, shown_path
from kakusan.models import AutoencoderKL, CLIPTextModel, UNet2DConditionModel
from kakusan.pipeline.index import DEFAULTS, write_index
from kakusan.pipeline.parts import STABLE_DIFFUSION
from kakusan.text import CLIPTokenizer
from kakusan.training.checkpoint import averages

LATENTS = "latents.safetensors"
TOKENIZER = "tokenizer"
UNET = "unet.safetensors"
STORED = torch.bfloat16  # packs to four fifths, where float16 hardly packs at all
WORDS = "attention.safetensors"  # of a run in which words alone are learnt


def export(recipe: Recipe, run: Path, output: Path, *, start: Path | None = None) -> None:
    """Write the published folder: weights, configs, tokenizer, our defaults.

    The weights are the averages of the last checkpoints, whether or not the run has come to its
    end: the autoencoder's in float16, all others in `STORED`.

    Args:
        recipe: of the run.
        run: its folder.
        output: the folder to write.
        start: the model that the run began with, if it did.

    Raises:
        InputError: The run has not come to its last stage yet.
        CheckpointError: A file of the run is broken, or of another recipe or kind of run.
    """
    words = run / WORDS
    check_kind(run, words=words.is_file())
    if words.is_file() and start is None:
        raise InputError(f"{shown_path(run)} has taught words alone; name its model with --start")
    if not words.is_file() and not (run / UNET).is_file():
        raise InputError(
            f"{shown_path(run)} has no checkpoint of the UNet yet, and so no model to write; "
            "train on."
        )
    tokenizer = CLIPTokenizer.from_pretrained(run / TOKENIZER)
    if start is None:
        vae, text_encoder = _learnt_vae(recipe, run), _learnt_text(recipe, run, tokenizer)
    else:
        vae = AutoencoderKL.from_pretrained(start / "vae")
        if (run / "text.safetensors").is_file():
            text_encoder = _learnt_text(recipe, run, tokenizer)
        else:
            text_encoder = CLIPTextModel.from_pretrained(start / "text_encoder")
    if (run / "sharpening.safetensors").is_file():
        _sharpen(vae, _of(averages(run / "sharpening.safetensors"), "vae."), recipe.sharpness)
    if start is not None and words.is_file():
        learnt = averages(words)
        unet = UNet2DConditionModel.from_pretrained(start / "unet").float()
        unet.load_state_dict(unet.state_dict() | _of(learnt, "unet."))
        text_encoder.load_state_dict(_of(learnt, "reader.text_encoder."))
    else:
        unet = UNet2DConditionModel(recipe.unet)
        unet.load_state_dict(averages(run / UNET))
    vae.half().save_pretrained(output / "vae")
    unet.to(STORED).save_pretrained(output / "unet")
    text_encoder.to(STORED).save_pretrained(output / "text_encoder")
    scheduler = noise_scheduler()
    scheduler.save_pretrained(output / "scheduler")
    shutil.copytree(run / TOKENIZER, output / TOKENIZER, dirs_exist_ok=True)
    parts = {
        "vae": vae,
        "text_encoder": text_encoder,
        "tokenizer": tokenizer,
        "unet": unet,
        "scheduler": scheduler,
        "safety_checker": None,
        "feature_extractor": None,
    }
    write_index(output, STABLE_DIFFUSION, parts)
    good = {
        "num_inference_steps": 8,
        "img2img_steps": 25,
        "guidance_scale": 5.0,
        "upscale_strength": 0.1,
        "emphasis": "No norm",  # the states' mean is nothing but chance
    }
    write_json(output / DEFAULTS, good)


def check_kind(run: Path, *, words: bool) -> None:
    """Refuse a run that has learnt words alone where it is to learn more, and the other way round.

    Raises:
        CheckpointError: It has.
    """
    other = run / (UNET if words else WORDS)
    if other.is_file():
        raise CheckpointError(
            f"{shown_path(run)} is of a run {'without' if words else 'with'} --words "
            f"({other.name}); give it another folder."
        )


def new_text_encoder(recipe: Recipe, tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """A text encoder with fresh weights for a vocabulary."""
    config = dataclasses.replace(
        recipe.text,
        vocab_size=tokenizer.vocab_size,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return CLIPTextModel(config)


def _learnt_vae(recipe: Recipe, run: Path) -> AutoencoderKL:
    with safe_open(run / LATENTS, framework="pt") as file:
        scale = float(file.metadata()["scale"])
    vae = AutoencoderKL(dataclasses.replace(recipe.vae, scaling_factor=scale))
    weights = averages(run / "vae.safetensors") | averages(run / "decoder.safetensors")
    vae.load_state_dict(weights)
    return vae


def _learnt_text(recipe: Recipe, run: Path, tokenizer: CLIPTokenizer) -> CLIPTextModel:
    text_encoder = new_text_encoder(recipe, tokenizer)
    text_encoder.load_state_dict(_of(averages(run / "text.safetensors"), "text_encoder."))
    return text_encoder


@torch.no_grad()
def _sharpen(vae: AutoencoderKL, taught: Mapping[str, Tensor], share: float) -> None:
    """Take an autoencoder's weights so far towards those that a critic has taught.

    What a critic puts beside edges, dots and rims, goes sooner than the edges do
    (arXiv:1809.00219, section 3.4).
    """
    weights = vae.state_dict()
    for name, value in taught.items():
        weights[name].lerp_(value.to(weights[name]), share)


def _of(weights: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Those of one part of a stage's networks, by the names that they have in the part."""
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in weights.items()
        if name.startswith(prefix)
    }
