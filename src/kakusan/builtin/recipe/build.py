"""Trains the built-in model from nothing and writes it as a published folder."""

import dataclasses
from pathlib import Path

from kakusan.builtin.recipe.crew import Crew
from kakusan.builtin.recipe.cross_attention import CrossAttentionStage
from kakusan.builtin.recipe.diffusion import DiffusionStage
from kakusan.builtin.recipe.export import LATENTS, TOKENIZER, check_kind, export
from kakusan.builtin.recipe.painter import Painter
from kakusan.builtin.recipe.recipe import Recipe
from kakusan.builtin.recipe.stages import (
    build_tokenizer,
    cross_attention_stage,
    encoded,
    exposures,
    frozen,
    known_lessons,
    known_vae,
    new_unet,
    sharpen,
    teach_words,
    train_text_encoder,
    train_vae,
    unet_stage,
)
from kakusan.builtin.recipe.stopwatch import Stopwatch
from kakusan.builtin.recipe.words import known_words
from kakusan.errors import CheckpointError, InputError
from kakusan.models import AutoencoderKL, CLIPTextModel, UNet2DConditionModel
from kakusan.runtime.device import best_device
from kakusan.runtime.machine import usable_cores
from kakusan.text import CLIPTokenizer
from kakusan.training.pace import Clock
from kakusan.training.trainer import train


def build(
    recipe: Recipe,
    run: Path,
    output: Path,
    *,
    vae: Path | None = None,
    start: Path | None = None,
    words: bool = False,
    minutes: float | None = None,
) -> None:
    """Train all stages in the folder `run`, going on where it was stopped, and write `output`.

    Args:
        recipe: decides what is trained.
        run: checkpoints, encoded scenes and sample grids.
        output: the published folder.
        vae: a folder of an autoencoder that the first stage begins with, instead of with nothing.
        start: a model's folder. Its UNet learns on, and its decoder; the encoder of its
            autoencoder stays as it is, and so does its text encoder if it knows all words of the
            recipe's captions.
        words: only the text encoder of `start` and its UNet's attention to it learn, instead.
        minutes: from now to the end of the last stage, in place of the stages' numbers of steps.

    Raises:
        CheckpointError: `vae` or `start` is of another shape than the recipe's, `start` does not
            say which words it knows, or the run is one of words alone and this is not, or the other
            way round.
        InputError: Words are to be taught, and there is no `start`, or the UNet is to be compiled.
    """
    if words and (start is None or recipe.compiled):
        raise InputError("words alone are taught to a model that is there, and not compiled")
    check_kind(run, words=words)
    watch, clock = Stopwatch(), Clock(minutes)
    Painter(recipe.pixels)  # needs a font, which may be missing
    with Crew(usable_cores() - 1) as crew:
        if start is None:
            begun = None if vae is None else known_vae(recipe, vae)
            stage = _after_all_else(recipe, run, begun, crew, clock)
        else:
            stage = _after(start, recipe, run, crew, clock, words=words)
        if isinstance(stage, CrossAttentionStage):
            train(stage, run, seconds=clock.left())
        else:
            train(stage, run, seconds=clock.left(recipe.shares["sharpening"]))
            decoder = stage.vae.requires_grad_(True)
            few = dataclasses.replace(recipe, scenes=min(recipe.pictures, recipe.scenes))
            sharpen(recipe, run, exposures(few, crew).first, clock, decoder)
    export(recipe, run, output, start=start)
    watch.say_written(output)


def _after_all_else(
    recipe: Recipe, run: Path, begun: AutoencoderKL | None, crew: Crew, clock: Clock
) -> DiffusionStage:
    """Train what comes before the UNet, and return the stage of a new one."""
    tokenizer = build_tokenizer(recipe, run / TOKENIZER)
    lessons = known_lessons(recipe, run, crew)
    pictures = exposures(recipe, crew)
    if not (run / LATENTS).exists():
        pictures.begin()
    text_encoder = train_text_encoder(recipe, run, tokenizer, lessons, clock)
    autoencoder = train_vae(recipe, run, pictures.first, clock, begun)
    latents, scale = encoded(recipe, run, autoencoder, pictures)
    return unet_stage(
        recipe,
        new_unet(recipe),
        text_encoder,
        autoencoder,
        tokenizer,
        lessons,
        latents,
        scale=scale,
        new=True,
    )


def _after(
    start: Path, recipe: Recipe, run: Path, crew: Crew, clock: Clock, *, words: bool
) -> DiffusionStage | CrossAttentionStage:
    """Return the stage that teaches a model's UNet on.

    A model that does not know all words of the recipe, or that is to learn nothing else, gets a new
    text encoder first, which reads what it knew as before.
    """
    tokenizer = CLIPTokenizer.from_pretrained(start, subfolder="tokenizer")
    text_encoder = CLIPTextModel.from_pretrained(start / "text_encoder").to(best_device())
    autoencoder = frozen(known_vae(recipe, start / "vae").to(best_device()))
    unet = UNet2DConditionModel.from_pretrained(start / "unet").requires_grad_(True)
    if unet.config != recipe.unet:
        raise CheckpointError(f"{start} has a UNet of another shape than the recipe's.")
    if tokenizer.words is None:
        raise CheckpointError(f"{start} does not say what it was taught: no tokenizer/words.json.")
    pictures = exposures(recipe, crew)
    known, reader, words_said = tokenizer, None, known_words(recipe.things)
    if words_said.words <= tokenizer.words.words:
        tokenizer.words = dataclasses.replace(tokenizer.words, synonyms=words_said.synonyms)
        tokenizer.save_pretrained(run / TOKENIZER)
    else:
        tokenizer = build_tokenizer(recipe, run / TOKENIZER)
    lessons = known_lessons(recipe, run, crew)
    if words or tokenizer is not known:
        if not (run / LATENTS).exists():
            pictures.begin()
        reader = teach_words(
            recipe,
            run,
            tokenizer,
            lessons,
            clock,
            known=known,
            begun=text_encoder,
            share=recipe.shares["words" if words else "text"],
        )
        text_encoder = reader.text_encoder
    latents, _ = encoded(recipe, run, autoencoder, pictures)
    scale = autoencoder.config.scaling_factor
    if words:
        assert reader is not None
        return cross_attention_stage(
            recipe, unet, reader, autoencoder, tokenizer, lessons, latents, scale=scale
        )
    return unet_stage(
        recipe,
        unet,
        text_encoder,
        autoencoder,
        tokenizer,
        lessons,
        latents,
        scale=scale,
        new=False,
    )
