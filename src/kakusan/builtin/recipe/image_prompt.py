"""A small IP-Adapter for the built-in model: it learns to draw what a picture shows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn

from kakusan.builtin.recipe.backdrops import Rng
from kakusan.builtin.recipe.beside import Taught
from kakusan.builtin.recipe.captions import caption
from kakusan.builtin.recipe.diffusion import DenoisingStage
from kakusan.builtin.recipe.looking import LookingStage, Looks, Sight, attention_of
from kakusan.builtin.recipe.painter import Painter
from kakusan.builtin.recipe.recipe import Recipe
from kakusan.builtin.recipe.scenes import Scene, covered, random_scene, training_scene
from kakusan.builtin.recipe.stages import emphasis, frozen
from kakusan.builtin.recipe.stopwatch import Stopwatch
from kakusan.checkpoints.files import atomic
from kakusan.models import (
    ImageEncoderConfig,
    UNet2DConditionModel,
)
from kakusan.models.layers.attention import TextContext
from kakusan.training.grids import grid
from kakusan.training.pace import StageSettings
from kakusan.training.trainer import fingerprint, mixed_precision, train

SHOWN = 12
ADAPTER, ENCODER = "ip-adapter.safetensors", "image_encoder"  # as published folders have them


@dataclass(frozen=True, kw_only=True)
class ImagePromptRecipe:
    """Everything that decides what a training run gives.

    `things`, `pixels`, `ways` and `object_weight` are as in `Recipe`. Most captions are left out,
    so that the picture itself has to be looked at; `unseen` pictures are not shown, for
    classifier-free guidance. `asked` steps of the UNet give the queries that the first stage
    answers.
    """

    seed: int = 21
    things: int = Recipe.things
    pixels: int = Recipe.pixels
    object_weight: float = Recipe.object_weight
    scenes: int = 8000
    ways: int = Recipe.ways
    unspoken: float = 0.9
    unseen: float = 0.05
    asked: int = 16
    lean: float = 0.6
    encoder: ImageEncoderConfig = field(
        default=ImageEncoderConfig(
            image_size=64,
            patch_size=8,
            hidden_size=128,
            intermediate_size=512,
            num_hidden_layers=4,
            num_attention_heads=4,
            projection_dim=256,
        )
    )
    looking_settings: StageSettings = field(
        default=StageSettings(
            steps=10_000,
            batch_size=32,
            learning_rate=1e-3,
            warmup_steps=200,
            ema_decay=0.998,
            sample_every=1000,
        )
    )
    settings: StageSettings = field(
        default=StageSettings(
            steps=4000,
            batch_size=16,
            learning_rate=6e-4,
            warmup_steps=50,
            ema_decay=0.998,
            save_every=100,
            sample_every=250,
        )
    )


class Prompted(nn.Module):
    """A UNet that learns no more, and the sight that learns to tell it of pictures."""

    def __init__(self, unet: UNet2DConditionModel, sight: Sight) -> None:
        super().__init__()
        self.sight, self.unet = sight, frozen(unet)

    def forward(
        self,
        noised: Tensor,
        timesteps: Tensor,
        embeddings: Tensor,
        pixels: Tensor,
        unseen: Tensor,
    ) -> Tensor:
        images = self.sight(pixels.to(noised), unseen.to(noised.device))
        return self.unet(noised, timesteps, TextContext(embeddings, images=[[images]]))[0]


class ImagePromptStage(DenoisingStage[Prompted]):
    """An IP-Adapter learns what pictures show.

    Attributes:
        scenes: of the latents.
        shown: of the sample grids.
        looks: shows pictures.
        unseen: the share of pictures that are not shown.
    """

    name = "image-prompt"
    scenes: Sequence[Scene]
    shown: Sequence[Scene]
    looks: Looks
    unseen: float

    def predict(
        self,
        noised: Tensor,
        timesteps: Tensor,
        embeddings: Tensor,
        chosen: Tensor,
        rng: Rng | None = None,
    ) -> Tensor:
        if rng is None:  # a sample grid, whose first half is what guidance leads away from
            pixels = self.looks.plain(self.shown).repeat(2, 1, 1, 1)
            unseen = torch.arange(len(chosen)) < len(chosen) // 2
        else:
            pixels = self.looks.varied([self.scenes[i] for i in chosen.tolist()], rng)
            unseen = torch.from_numpy(rng.random(len(chosen)) < self.unseen)
        return self.networks(noised, timesteps, embeddings, pixels, unseen)

    def samples(self) -> Image.Image:
        """Return pictures, and below each what is drawn of it without a word."""
        rows = [np.stack([self.looks.painter.draw(each) for each in self.shown]), self.drawn()]
        return grid(np.concatenate(rows), columns=len(self.shown))


def build_image_prompt(recipe: ImagePromptRecipe, model: Path, run: Path, output: Path) -> None:
    """Train in the folder `run`, going on where it was stopped, and write `output`.

    Args:
        recipe: decides what is trained.
        model: the folder of the built-in model, or of one that its recipe made.
        run: checkpoints, encoded scenes and sample grids.
        output: the folder of the adapter and its picture encoder.

    Raises:
        InputError: The font that scenes are drawn with is not installed.
    """
    clock = Stopwatch()
    painter, rng = Painter(recipe.pixels), np.random.default_rng([recipe.seed, recipe.scenes])
    scenes = [training_scene(rng, recipe.things) for _ in range(recipe.scenes)]
    taught = Taught.of(model)
    latents = taught.encoded(
        (painter.draw(scene) for scene in scenes),
        run,
        of=f"{recipe.scenes} scenes of {recipe.things} things, seed {recipe.seed}",
    )
    torch.manual_seed(recipe.seed)
    sight = Sight(taught.unet, recipe.encoder).to(taught.vae.device)
    writes, side = np.random.default_rng(recipe.seed), latents.shape[-1]
    objects = torch.from_numpy(np.stack([covered(scene, side) for scene in scenes]))
    stage = ImagePromptStage(
        Prompted(taught.unet, sight),
        taught.text_encoder,
        taught.vae,
        taught.tokenizer,
        latents,
        taught.read(
            [caption(scene, writes, recipe.things) for _ in range(recipe.ways)] for scene in scenes
        ),
        recipe.settings,
        prompts=[""] * SHOWN,
        seed=recipe.seed,
        scale=taught.vae.config.scaling_factor,
        unspoken=recipe.unspoken,
        emphasis=emphasis(objects, recipe.object_weight),
        lean=recipe.lean,
    )
    stage.scenes, stage.unseen = scenes, recipe.unseen
    stage.shown = [random_scene(rng, recipe.things) for _ in range(SHOWN)]
    stage.looks = Looks(painter, recipe.encoder.image_size)
    first = LookingStage(
        sight,
        taught.unet,
        taught.text_encoder,
        taught.tokenizer,
        stage.looks,
        queries_of(stage, recipe.asked),
        recipe.looking_settings,
        things=recipe.things,
        unseen=recipe.unseen,
        sheet=stage.samples,
        seed=recipe.seed,
    )
    first.origin = fingerprint(taught.unet)
    train(first, run)
    stage.origin = fingerprint(sight)
    train(stage, run)
    export(sight, output)
    clock.say_written(output)


@torch.no_grad()
def queries_of(stage: ImagePromptStage, calls: int) -> dict[str, Tensor]:
    """What each attention to the text asks where a batch of scenes is denoised, for some batches.

    Returns:
        By the names of attentions, shape (queries, width).
    """
    unet, count = stage.networks.unet, stage.settings.batch_size
    asked: dict[str, list[Tensor]] = {name: [] for name in unet.text_attentions}

    def kept(name: str) -> Callable[[nn.Module, Any, Tensor], None]:
        return lambda _module, _given, queries: asked[name].append(queries.flatten(0, 1).half())

    hooks = [attention_of(unet, n).to_q.register_forward_hook(kept(n)) for n in asked]
    for call in range(calls):
        rng = stage.rng(call)
        chosen = torch.from_numpy(rng.integers(len(stage.latents), size=count)).to(stage.device)
        ways = torch.from_numpy(rng.integers(stage.ids.shape[1], size=count)).to(stage.device)
        embeddings = stage.read(stage.ids[chosen, ways])
        latents = stage.latents[chosen].float()
        noise = torch.from_numpy(rng.standard_normal(latents.shape, dtype=np.float32)).to(latents)
        timesteps = torch.from_numpy(rng.integers(len(stage.scheduler), size=count))
        timesteps = timesteps.to(stage.device)
        with mixed_precision(stage.device):
            unet(stage.scheduler.add_noise(latents, noise, timesteps), timesteps, embeddings)
    for hook in hooks:
        hook.remove()
    return {name: torch.cat(each) for name, each in asked.items()}


def export(sight: Sight, output: Path) -> None:
    """Write the adapter's file and, beside it, the encoder's folder, in float16."""
    sight = sight.cpu().half()
    sight.encoder.save_pretrained(output / ENCODER)
    weights = {name: each.contiguous() for name, each in sight.adapter.state_dict().items()}
    with atomic(output / ADAPTER) as temporary:
        save_file(weights, temporary, metadata={"format": "pt"})
