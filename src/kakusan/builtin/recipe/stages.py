"""The stages that the built-in model is trained in, made of a recipe and of what came before."""

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from kakusan.builtin.recipe.album import Album
from kakusan.builtin.recipe.captions import JAPANESE, caption
from kakusan.builtin.recipe.crew import Crew
from kakusan.builtin.recipe.cross_attention import CrossAttentionStage, Listener
from kakusan.builtin.recipe.difficulty import odds, unexplained
from kakusan.builtin.recipe.diffusion import DiffusionStage, begin_quietly, encode_pictures
from kakusan.builtin.recipe.english import english
from kakusan.builtin.recipe.examples import Examples
from kakusan.builtin.recipe.export import LATENTS, new_text_encoder
from kakusan.builtin.recipe.exposures import Exposures
from kakusan.builtin.recipe.japanese import japanese
from kakusan.builtin.recipe.lessons import Lessons, kept
from kakusan.builtin.recipe.reading import Reader, ReadingStage
from kakusan.builtin.recipe.recipe import PROMPTS, Recipe
from kakusan.builtin.recipe.scenes import training_scene
from kakusan.builtin.recipe.sharpening import SharpeningStage
from kakusan.builtin.recipe.vae import DecoderStage, Pictures, VAEStage, new_vae
from kakusan.builtin.recipe.vocabulary import learn_merges, write_tokenizer
from kakusan.builtin.recipe.words import known_words
from kakusan.builtin.recipe.world import THINGS
from kakusan.errors import CheckpointError, reason
from kakusan.models import AutoencoderKL, CLIPTextModel, UNet2DConditionModel
from kakusan.runtime.device import best_device
from kakusan.text import CLIPTokenizer, write_words
from kakusan.training.pace import Clock, StageSettings
from kakusan.training.trainer import fingerprint, train

NetworkT = TypeVar("NetworkT", bound=nn.Module)
_EMBEDDINGS = "embeddings.token_embedding.weight"


def album(recipe: Recipe) -> Album:
    """The scenes that all stages learn from."""
    return Album(recipe.seed, recipe.scenes, recipe.things, recipe.pixels)


def exposures(recipe: Recipe, crew: Crew) -> Exposures:
    """Their pictures."""
    return Exposures(
        album(recipe), crew, first=recipe.pictures, ahead=recipe.ahead, device=best_device()
    )


def known_lessons(recipe: Recipe, run: Path, crew: Crew) -> Lessons:
    """What is said of the scenes, and what is true of them; read by the run's tokenizer."""
    side = recipe.unet.latent_size[0]
    return Lessons.of(album(recipe), crew, run, captions=recipe.ways, side=side)


def build_tokenizer(recipe: Recipe, folder: Path) -> CLIPTokenizer:
    """Learn the vocabulary from captions and return its tokenizer."""
    write_words(folder, known_words(recipe.things))
    if not (folder / "tokenizer_config.json").exists():  # which is written last
        rng = np.random.default_rng(recipe.seed)
        scenes = (training_scene(rng, recipe.things) for _ in range(recipe.captions))
        merges = learn_merges(
            (caption(scene, rng, recipe.things) for scene in scenes), recipe.merges
        )
        write_tokenizer(folder, merges, recipe.text.max_position_embeddings)
    return CLIPTokenizer.from_pretrained(folder)


def train_vae(
    recipe: Recipe,
    run: Path,
    pictures: Pictures,
    clock: Clock,
    begun: AutoencoderKL | None = None,
) -> AutoencoderKL:
    """Train the autoencoder, a new one or `begun`, then its decoder alone; return it frozen."""
    if begun is None:
        vae, settings = new_vae(recipe.vae, recipe.seed), recipe.vae_settings
    else:
        vae, settings = begun, recipe.known_vae_settings
    weight = recipe.kl_weight
    vae = vae.to(best_device())
    stage = VAEStage(vae, settings, pictures=pictures, kl_weight=weight, seed=recipe.seed)
    stage.origin = "nothing" if begun is None else fingerprint(vae)
    train(stage, run, seconds=clock.share(recipe.shares[stage.name]))
    last = DecoderStage(
        vae, recipe.decoder_settings, pictures=pictures, kl_weight=weight, seed=recipe.seed
    )
    last.origin = stage.origin
    train(last, run, seconds=clock.share(recipe.shares[last.name]))
    return frozen(vae)


def sharpen(
    recipe: Recipe, run: Path, pictures: Pictures, clock: Clock, vae: AutoencoderKL
) -> None:
    """Teach an autoencoder's decoder steep edges."""
    stage = SharpeningStage(
        vae,
        recipe.sharpening_settings,
        pictures=pictures,
        critic_weight=recipe.critic_weight,
        seed=recipe.seed,
    )
    stage.origin = fingerprint(vae)
    train(stage, run, seconds=clock.share(recipe.shares[stage.name]))


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


def train_text_encoder(
    recipe: Recipe, run: Path, tokenizer: CLIPTokenizer, lessons: Lessons, clock: Clock
) -> CLIPTextModel:
    """Teach a new text encoder to read captions; return it frozen, with averaged weights."""
    torch.manual_seed(recipe.seed)
    text_encoder = new_text_encoder(recipe, tokenizer).to(best_device())
    stage = _reading_stage(recipe, text_encoder, tokenizer, lessons, recipe.text_settings)
    train(stage, run, seconds=clock.share(recipe.shares[stage.name]))
    return frozen(text_encoder)


def teach_words(
    recipe: Recipe,
    run: Path,
    tokenizer: CLIPTokenizer,
    lessons: Lessons,
    clock: Clock,
    *,
    known: CLIPTokenizer,
    begun: CLIPTextModel,
    share: float,
) -> Reader:
    """Teach a text encoder to read captions, of more words or better; return its reader, averaged.

    It reads captions of objects that it knew as before, so that the UNet which learnt with it draws
    them on.

    Args:
        tokenizer: of the vocabulary that it is taught.
        known: the encoder's own.
        begun: what it begins as.
        share: of the clock's time.
    """
    torch.manual_seed(recipe.seed)
    text_encoder = with_embeddings_of(new_text_encoder(recipe, tokenizer), tokenizer, begun, known)
    examples = known_examples(recipe, tokenizer, known, begun, lessons.longest)
    settings = recipe.known_text_settings
    text_encoder = text_encoder.to(best_device())
    stage = _reading_stage(recipe, text_encoder, tokenizer, lessons, settings, examples)
    stage.origin = fingerprint(begun)
    train(stage, run, seconds=clock.share(share))
    return frozen(stage.networks)


def _reading_stage(
    recipe: Recipe,
    text_encoder: CLIPTextModel,
    tokenizer: CLIPTokenizer,
    lessons: Lessons,
    settings: StageSettings,
    examples: Examples | None = None,
) -> ReadingStage:
    return ReadingStage(
        text_encoder,
        tokenizer,
        settings,
        lessons=lessons,
        things=recipe.things,
        prompts=PROMPTS,
        seed=recipe.seed,
        examples=examples,
    )


@torch.no_grad()
def with_embeddings_of(
    text_encoder: CLIPTextModel,
    tokenizer: CLIPTokenizer,
    known: CLIPTextModel,
    vocabulary: CLIPTokenizer,
) -> CLIPTextModel:
    """A text encoder with another one's weights; of embeddings, those of tokens that both have.

    Raises:
        CheckpointError: They are of other shapes.
    """
    weights, own = known.state_dict(), text_encoder.state_dict()
    embeddings = own[_EMBEDDINGS].clone()
    theirs = weights[_EMBEDDINGS].to(embeddings)
    places = vocabulary.get_vocab()
    for token, index in tokenizer.get_vocab().items():
        if token in places:
            embeddings[index] = theirs[places[token]]
    try:
        text_encoder.load_state_dict(weights | {_EMBEDDINGS: embeddings})
    except RuntimeError as error:
        raise CheckpointError(
            f"the text encoder is of another shape than the recipe's ({reason(error)})."
        ) from None
    return text_encoder


def known_examples(
    recipe: Recipe,
    tokenizer: CLIPTokenizer,
    known: CLIPTokenizer,
    text_encoder: CLIPTextModel,
    tokens: int,
) -> Examples:
    """How another model's text encoder reads captions of scenes whose objects it knows.

    Of objects in a relation, captions say it plainly, and none has words that are strange to it: it
    may have misread others.

    Args:
        recipe: how many captions, and of which objects.
        tokenizer: of the encoder that shall read alike.
        known: the other one's.
        text_encoder: the other one.
        tokens: of each caption that are read.
    """
    named = {i for i in range(recipe.things) if knows(known, THINGS[i].english[:1])}
    rng = np.random.default_rng([recipe.seed, *b"examples"])
    captions: list[str] = []
    while len(captions) < recipe.examples:
        scene = training_scene(rng, recipe.things)
        plain = scene.relation is not None and len(scene.items) > 1
        say = japanese if rng.random() < JAPANESE else english
        text = say(scene, rng, whole=True) if plain else caption(scene, rng, recipe.things)
        taught = named.issuperset(item.thing for item in scene.items) and knows(known, (text,))
        if taught and known.used(text) == text:
            captions.append(text)
    return Examples.of(captions, tokenizer, known, text_encoder, tokens=tokens)


def knows(tokenizer: CLIPTokenizer, words: Iterable[str]) -> bool:
    """Whether a tokenizer's model was taught all of these words."""
    taught = tokenizer.words
    return taught is not None and not any(taught.strangers(word) for word in words)


def frozen(network: NetworkT) -> NetworkT:
    """Return a network that learns no more."""
    return network.eval().requires_grad_(False)


def encoded(
    recipe: Recipe, run: Path, vae: AutoencoderKL, pictures: Exposures
) -> tuple[Tensor, float]:
    """Return the latents of all scenes, kept in the run, and what gives them a deviation of 1.

    Raises:
        CheckpointError: The run has those of other scenes, or of another autoencoder.
    """
    known = {"of": album(recipe).told(), "encoder": fingerprint(vae.encoder)}
    found, said = kept(
        run / LATENTS,
        known,
        lambda: {"latents": encode_pictures(vae, pictures.all())},
        lambda made: {"scale": f"{latent_scale(made['latents'])}"},
    )
    return found["latents"], float(said["scale"])


def unet_stage(
    recipe: Recipe,
    unet: UNet2DConditionModel,
    text_encoder: CLIPTextModel,
    vae: AutoencoderKL,
    tokenizer: CLIPTokenizer,
    lessons: Lessons,
    latents: Tensor,
    *,
    scale: float,
    new: bool,
) -> DiffusionStage:
    """Return the stage that teaches the UNet: a `new` one from plain scenes first, one that draws
    already most from scenes of what it draws worst.
    """
    stage = DiffusionStage(
        unet.to(vae.device),
        text_encoder,
        vae,
        tokenizer,
        settings=recipe.unet_settings if new else recipe.known_unet_settings,
        first=lessons.plain.nonzero().flatten() if new else None,
        first_share=recipe.plain_share,
        **_given(recipe, vae, lessons, latents, scale),
    )
    stage.origin = "nothing" if new else fingerprint(unet)
    if not new:
        shares = unexplained(stage, lessons, recipe.things)
        stage.odds = odds(shares, lessons.answers).to(vae.device)
    if recipe.compiled:
        stage.compile()
    return stage


def cross_attention_stage(
    recipe: Recipe,
    unet: UNet2DConditionModel,
    reader: Reader,
    vae: AutoencoderKL,
    tokenizer: CLIPTokenizer,
    lessons: Lessons,
    latents: Tensor,
    *,
    scale: float,
) -> CrossAttentionStage:
    """Return the stage that teaches a reader's text encoder and the UNet's attention to it."""
    stage = CrossAttentionStage(
        Listener(reader, unet.to(vae.device)),
        vae,
        tokenizer,
        settings=recipe.attention_settings,
        answers=lessons.answers,
        weight=recipe.reading_weight,
        **_given(recipe, vae, lessons, latents, scale),
    )
    stage.origin = fingerprint(unet)
    return stage


def _given(
    recipe: Recipe, vae: AutoencoderKL, lessons: Lessons, latents: Tensor, scale: float
) -> dict[str, Any]:
    """What every stage that denoises learns from."""
    return {
        "latents": (latents.to(vae.device).float() * scale).half(),
        "ids": lessons.ids,
        "prompts": PROMPTS,
        "seed": recipe.seed,
        "scale": scale,
        "min_snr": recipe.min_snr,
        "emphasis": emphasis(lessons.objects, recipe.object_weight),
        "chances": lessons.chances,
    }


def new_unet(recipe: Recipe) -> UNet2DConditionModel:
    """Return a UNet with seeded weights."""
    torch.manual_seed(recipe.seed)
    unet = UNet2DConditionModel(recipe.unet)
    begin_quietly(unet)
    return unet


def emphasis(objects: Tensor, object_weight: float) -> Tensor:
    """How much errors count where there are objects and elsewhere, 1 on average; same shape.

    Where an object is they count `object_weight` times as much as elsewhere.
    """
    return (
        (1 + (object_weight - 1) * objects) / (1 + (object_weight - 1) * objects.float().mean())
    ).half()


def latent_scale(latents: Tensor) -> float:
    """Return what gives latents a standard deviation of 1, to four digits."""
    return float(f"{1 / float(latents.float().std()):.4g}")
