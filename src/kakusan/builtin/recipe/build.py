"""Trains the built-in model from nothing and writes it as a published folder."""

import dataclasses
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from kakusan.builtin.recipe.backdrops import Rng
from kakusan.builtin.recipe.captions import caption
from kakusan.builtin.recipe.diffusion import DiffusionStage, Lesson, begin_quietly, encode_pictures
from kakusan.builtin.recipe.painter import Painter
from kakusan.builtin.recipe.reading import ReadingStage
from kakusan.builtin.recipe.recipe import PROMPTS, Recipe
from kakusan.builtin.recipe.scenes import Scene, covered, is_plain, training_scene
from kakusan.builtin.recipe.stopwatch import Stopwatch
from kakusan.builtin.recipe.vae import DecoderStage, Draw, VAEStage, new_vae
from kakusan.builtin.recipe.vocabulary import learn_merges, write_tokenizer
from kakusan.builtin.recipe.words import known_words
from kakusan.checkpoints.files import write_json
from kakusan.errors import CheckpointError
from kakusan.models import AutoencoderKL, CLIPTextModel, UNet2DConditionModel
from kakusan.pipeline.index import DEFAULTS, write_index
from kakusan.pipeline.parts import STABLE_DIFFUSION
from kakusan.runtime.device import best_device
from kakusan.text import CLIPTokenizer, write_words
from kakusan.training.trainer import fingerprint, train

NetworkT = TypeVar("NetworkT", bound=nn.Module)


def build(
    recipe: Recipe,
    run: Path,
    output: Path,
    *,
    vae: Path | None = None,
    start: Path | None = None,
) -> None:
    """Train all stages in the folder `run`, going on where it was stopped, and write `output`.

    Args:
        recipe: decides what is trained.
        run: checkpoints, encoded scenes and sample grids.
        output: the published folder.
        vae: a folder of an autoencoder that the first stage begins with, instead of with nothing.
        start: a model's folder. Its UNet learns on; all else stays as it is.

    Raises:
        CheckpointError: `vae` or `start` is of another shape than the recipe's.
    """
    clock = Stopwatch()
    Painter(recipe.pixels)  # needs a font, which may be missing
    if start is None:
        begun = None if vae is None else known_vae(recipe, vae)
        tokenizer = build_tokenizer(recipe, run / "tokenizer")
        autoencoder = train_vae(recipe, run, begun)
        text_encoder = train_text_encoder(recipe, run, tokenizer)
        unet = new_unet(recipe)
    else:
        tokenizer = CLIPTokenizer.from_pretrained(start, subfolder="tokenizer")
        text_encoder = CLIPTextModel.from_pretrained(start / "text_encoder").to(best_device())
        autoencoder = frozen(known_vae(recipe, start / "vae").to(best_device()))
        unet = UNet2DConditionModel.from_pretrained(start / "unet").requires_grad_(True)
        if unet.config != recipe.unet:
            raise CheckpointError(f"{start} has a UNet of another shape than the recipe's.")
        tokenizer.words = known_words(recipe.things).beside(tokenizer.words)
        tokenizer.save_pretrained(run / "tokenizer")
    stage = train_unet(recipe, run, autoencoder, text_encoder, tokenizer, unet, new=start is None)
    export(recipe, stage, run / "tokenizer", output)
    clock.say_written(output)


def build_tokenizer(recipe: Recipe, folder: Path) -> CLIPTokenizer:
    """Learn the vocabulary from captions and return its tokenizer."""
    write_words(folder, known_words(recipe.things))
    if not (folder / "tokenizer_config.json").exists():  # which is written last
        rng = np.random.default_rng(recipe.seed)
        scenes = (training_scene(rng, recipe.things) for _ in range(recipe.captions))
        merges = learn_merges((caption(scene, rng) for scene in scenes), recipe.merges)
        write_tokenizer(folder, merges, recipe.text.max_position_embeddings)
    return CLIPTokenizer.from_pretrained(folder)


def scene_drawer(recipe: Recipe) -> Draw:
    """What draws the pictures that the autoencoder learns from."""
    painter = Painter(recipe.pixels)

    def draw(rng: Rng, count: int) -> npt.NDArray[np.uint8]:
        return np.stack([painter.draw(training_scene(rng, recipe.things)) for _ in range(count)])

    return draw


def train_vae(recipe: Recipe, run: Path, begun: AutoencoderKL | None = None) -> AutoencoderKL:
    """Train the autoencoder, a new one or `begun`, then its decoder alone; return it frozen."""
    if begun is None:
        vae, settings = new_vae(recipe.vae, recipe.seed), recipe.vae_settings
    else:
        vae, settings = begun, recipe.known_vae_settings
    draw, weight = scene_drawer(recipe), recipe.kl_weight
    vae = vae.to(best_device())
    stage = VAEStage(vae, settings, draw=draw, kl_weight=weight, seed=recipe.seed)
    stage.origin = "nothing" if begun is None else fingerprint(vae)
    train(stage, run)
    last = DecoderStage(vae, recipe.decoder_settings, draw=draw, kl_weight=weight, seed=recipe.seed)
    last.origin = stage.origin
    train(last, run)
    return frozen(vae)


def known_vae(recipe: Recipe, folder: Path) -> AutoencoderKL:
    """Return the autoencoder of a folder.

    Raises:
        CheckpointError: It is of another shape than the recipe's.
    """
    vae = AutoencoderKL.from_pretrained(folder)
    alike = {"scaling_factor": recipe.vae.scaling_factor, "sample_size": recipe.pixels}
    if dataclasses.replace(vae.config, **alike) != recipe.vae:
        raise CheckpointError(f"{folder} is an autoencoder of another shape than the recipe's.")
    return vae


def train_text_encoder(recipe: Recipe, run: Path, tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """Teach a new text encoder to read captions; return it frozen, with averaged weights."""
    torch.manual_seed(recipe.seed)
    config = dataclasses.replace(
        recipe.text,
        vocab_size=tokenizer.vocab_size,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    stage = ReadingStage(
        CLIPTextModel(config).to(best_device()),
        tokenizer,
        recipe.text_settings,
        things=recipe.things,
        prompts=PROMPTS,
        seed=recipe.seed,
    )
    train(stage, run)
    return frozen(stage.networks.text_encoder)


def frozen(network: NetworkT) -> NetworkT:
    """Return a network that learns no more."""
    return network.eval().requires_grad_(False)


def train_unet(
    recipe: Recipe,
    run: Path,
    vae: AutoencoderKL,
    text_encoder: CLIPTextModel,
    tokenizer: CLIPTokenizer,
    unet: UNet2DConditionModel,
    *,
    new: bool,
) -> DiffusionStage:
    """Train the UNet on encoded scenes, a `new` one on plain ones first; return the stage."""
    rng, painter = np.random.default_rng([recipe.seed, recipe.scenes]), Painter(recipe.pixels)
    scenes = [training_scene(rng, recipe.things) for _ in range(recipe.scenes)]
    latents = encode_pictures(
        vae,
        lambda index: painter.draw(scenes[index]),
        len(scenes),
        run / "latents.safetensors",
        of=f"{recipe.scenes} scenes of {recipe.things} things, seed {recipe.seed}",
    )
    scale = latent_scale(latents) if new else vae.config.scaling_factor
    settings = recipe.unet_settings
    plain = [index for index, scene in enumerate(scenes) if is_plain(scene)]
    stage = DiffusionStage(
        unet.to(vae.device),
        text_encoder,
        vae,
        tokenizer,
        (latents.float() * scale).half(),
        lambda index, rng: caption(scenes[index], rng),
        settings,
        prompts=PROMPTS,
        seed=recipe.seed,
        scale=scale,
        lesson=Lesson(plain, round(recipe.plain_share * settings.steps)) if new else None,
        min_snr=recipe.min_snr,
        emphasis=emphasis(scenes, latents.shape[-1], recipe.object_weight),
    )
    stage.origin = "nothing" if new else fingerprint(unet)
    train(stage, run)
    return stage


def new_unet(recipe: Recipe) -> UNet2DConditionModel:
    """Return a UNet with seeded weights."""
    torch.manual_seed(recipe.seed)
    unet = UNet2DConditionModel(recipe.unet)
    begin_quietly(unet)
    return unet


def emphasis(scenes: Sequence[Scene], side: int, object_weight: float) -> Tensor:
    """How much errors count, shape (n, side, side), 1 on average.

    Where an object is they count `object_weight` times as much as elsewhere.
    """
    objects = torch.from_numpy(np.stack([covered(scene, side) for scene in scenes]))
    weights = 1 + (object_weight - 1) * objects
    return (weights / weights.mean()).half()


def latent_scale(latents: Tensor) -> float:
    """Return what gives latents a standard deviation of 1, to four digits."""
    return float(f"{1 / float(latents.float().std()):.4g}")


def export(recipe: Recipe, stage: DiffusionStage, tokenizer: Path, output: Path) -> None:
    """Write the published folder: weights in float16, configs, tokenizer, our defaults."""
    vae = AutoencoderKL(dataclasses.replace(recipe.vae, scaling_factor=stage.scale))
    vae.load_state_dict(stage.vae.cpu().state_dict())
    unet, text_encoder = stage.networks.cpu(), stage.text_encoder.cpu()
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
    write_index(output, STABLE_DIFFUSION, parts)
    write_json(output / DEFAULTS, {"num_inference_steps": 25, "guidance_scale": 3.0})
