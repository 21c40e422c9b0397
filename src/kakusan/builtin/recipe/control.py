"""A small ControlNet of edges for the built-in model: it learns from scenes and their edges."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from kakusan.builtin.recipe.backdrops import Rng
from kakusan.builtin.recipe.beside import Taught
from kakusan.builtin.recipe.captions import caption
from kakusan.builtin.recipe.diffusion import DenoisingStage
from kakusan.builtin.recipe.painter import Painter
from kakusan.builtin.recipe.recipe import Recipe
from kakusan.builtin.recipe.scenes import training_scene
from kakusan.builtin.recipe.stages import frozen
from kakusan.builtin.recipe.stopwatch import Stopwatch
from kakusan.errors import InputError, shown_path
from kakusan.images.edges import canny
from kakusan.models import UNet2DConditionModel
from kakusan.models.control.config import ControlNetConfig
from kakusan.models.control.controlnet import ControlNetModel
from kakusan.models.control.hint import HintEmbedding
from kakusan.models.layers.basic import Conv2d
from kakusan.models.unet.residuals import Residuals
from kakusan.training.grids import grid
from kakusan.training.pace import StageSettings
from kakusan.training.trainer import fingerprint, train

SHOWN = 12
_MIRRORED = {"left": "right", "right": "left", "左": "右", "右": "左"}
_SIDES = re.compile(r"\b(?:left|right)\b|左|右")
_LINES = 64  # pixels of the pictures that the first weights are scaled by


@dataclass(frozen=True, kw_only=True)
class ControlRecipe:
    """Everything that decides what a training run gives.

    `things`, `pixels` and `ways` are as in `Recipe`. Half of the captions are left out, so that the
    net learns to read the edges themselves (arXiv:2302.05543, section 3.3); and scenes are looked
    at from elsewhere, see `Look`, for the model knows by heart where each thing usually is.
    """

    seed: int = 21
    things: int = Recipe.things
    pixels: int = Recipe.pixels
    scenes: int = 8000
    ways: int = Recipe.ways
    unspoken: float = 0.5
    hint_channels: tuple[int, ...] = (16, 32, 64, 96)
    settings: StageSettings = field(
        default=StageSettings(
            steps=4000,
            batch_size=16,
            learning_rate=6e-4,
            warmup_steps=200,
            ema_decay=0.998,
            save_every=100,
            sample_every=250,
        )
    )


@dataclass(frozen=True)
class Look:
    """Where a scene is looked at from: everything in it comes to lie elsewhere.

    Attributes:
        mirrored: whether left and right are exchanged.
        zoom: how large things are.
        shift: how far they move, right and down, in shares of the picture.
    """

    mirrored: bool
    zoom: float
    shift: tuple[float, float]

    @classmethod
    def of(cls, rng: np.random.Generator) -> "Look":
        right, down = rng.uniform(-0.3, 0.3, 2)
        return cls(bool(rng.random() < 0.5), float(rng.uniform(0.5, 1.2)), (right, down))

    def at(self, picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """The picture from there, as large as before; what is beyond its edges goes on as they do.

        Args:
            picture: shape (height, width, 3).
        """
        seen = picture[:, ::-1] if self.mirrored else picture
        height, width = seen.shape[:2]
        wide = np.pad(seen, ((height, height), (width, width), (0, 0)), mode="edge")
        side = width / self.zoom
        left = 1.5 * width - side / 2 - self.shift[0] * width
        top = 1.5 * height - side / 2 - self.shift[1] * height
        box = (left, top, left + side, top + side)
        resized = Image.fromarray(wide).resize((width, height), Image.Resampling.BICUBIC, box)
        return np.asarray(resized)

    def said(self, caption: str) -> str:
        """What a caption says from there."""
        if not self.mirrored:
            return caption
        return _SIDES.sub(lambda found: _MIRRORED[found[0]], caption)


class Steered(nn.Module):
    """A UNet that learns no more, and the net that learns to steer it.

    Args:
        edges: whether there is an edge, bool, shape (scenes, height, width).
    """

    def __init__(
        self, unet: UNet2DConditionModel, controlnet: ControlNetModel, edges: Tensor
    ) -> None:
        super().__init__()
        self.controlnet, self.unet = controlnet, frozen(unet)
        self.edges = edges

    def forward(
        self, noised: Tensor, timesteps: Tensor, embeddings: Tensor, chosen: Tensor
    ) -> Tensor:
        seen = self.edges[chosen.to(self.edges.device)].to(noised)
        hints = seen[:, None].expand(-1, 3, -1, -1)
        skips, middle = self.controlnet(noised, timesteps, embeddings, hints)
        residuals = Residuals(tuple(skips), middle)
        return self.unet(noised, timesteps, embeddings, residuals=residuals)[0]


class ControlStage(DenoisingStage[Steered]):
    """A ControlNet learns what is where the edges are."""

    name = "control"

    def predict(
        self,
        noised: Tensor,
        timesteps: Tensor,
        embeddings: Tensor,
        chosen: Tensor,
        rng: Rng | None = None,  # noqa: ARG002
    ) -> Tensor:
        return self.networks(noised, timesteps, embeddings, chosen)

    def samples(self) -> Image.Image:
        """Return the edges of the first scenes, and below each what is drawn of its caption."""
        edges = self.networks.edges[: len(self.prompts)].numpy().astype(np.uint8) * 255
        rows = [np.repeat(edges[..., None], 3, axis=-1), self.drawn()]
        return grid(np.concatenate(rows), columns=len(self.prompts))


def small(unet: UNet2DConditionModel, hint_channels: tuple[int, ...]) -> ControlNetModel:
    """A net that begins as a copy of a UNet's way down, without what attends to texts.

    Where edges are is said by the edges; without attention the net is a third smaller. What looks
    at them begins as `seeing` has it.
    """
    config = replace(
        ControlNetConfig.of_unet(unet.config, hint_channels=hint_channels),
        transformer_depth=(0,) * len(unet.config.block_out_channels),
        middle_resnets=1,
        middle_transformer_depth=0,
    )
    net, known = ControlNetModel(config), unet.state_dict()
    net.load_state_dict({n: known[n] for n in net.state_dict() if n in known}, strict=False)
    seeing(net.controlnet_cond_embedding)
    return net


@torch.no_grad()
def seeing(embedding: HintEmbedding) -> None:
    """Have the eight convolutions hand edges on from the first step.

    Edges are a few thin lines. The usual weights let what they say fade away layer by layer, and a
    last layer of zeros adds to that: a short training then learns without looking. Weights begin
    as random ones (arXiv:1502.01852), scaled so that each layer gives lines a standard deviation
    of 1 (arXiv:1511.06422); the net's other end begins at zero, so nothing is harmed.
    """
    lines = torch.zeros(16, 3, *(2 * [_LINES]))
    chance = torch.Generator().manual_seed(0)
    for picture in lines:  # two lines across, one of them upright
        row, column = torch.randint(_LINES, (2,), generator=chance)
        picture[:, row], picture[:, :, column] = 1.0, 1.0
    x = lines.to(embedding.conv_in.weight)
    for layer in embedding.modules():
        if not isinstance(layer, Conv2d):
            continue
        layer.weight.copy_(torch.randn(layer.weight.shape, generator=chance))
        for bias in layer.parameters():
            if bias is not layer.weight:
                bias.zero_()
        layer.weight.mul_(1 / layer(x).std())
        x = F.silu(layer(x))


def build_control(
    recipe: ControlRecipe, model: Path, run: Path, output: Path, start: Path | None = None
) -> None:
    """Train in the folder `run`, going on where it was stopped, and write the net to `output`.

    Args:
        recipe: decides what is trained.
        model: the folder of the built-in model, or of one that its recipe made.
        run: checkpoints, encoded scenes and sample grids.
        output: the folder of the net.
        start: that of a net to go on teaching, in place of a copy of the UNet's way down.

    Raises:
        InputError: The font that scenes are drawn with is not installed, or `start` is no net of
            this recipe.
    """
    clock = Stopwatch()
    taught = Taught.of(model)
    net = small(taught.unet, recipe.hint_channels)
    if start is not None:
        _begin_with(net, start)
    painter, rng = Painter(recipe.pixels), np.random.default_rng([recipe.seed, recipe.scenes])
    scenes = [training_scene(rng, recipe.things) for _ in range(recipe.scenes)]
    looks = [Look.of(rng) for _ in scenes]

    def pictures() -> Iterator[npt.NDArray[np.uint8]]:
        return (look.at(painter.draw(scene)) for look, scene in zip(looks, scenes, strict=True))

    latents = taught.encoded(
        pictures(),
        run,
        of=f"{recipe.scenes} scenes of {recipe.things} things from elsewhere, seed {recipe.seed}",
    )
    torch.manual_seed(recipe.seed)
    writes = np.random.default_rng(recipe.seed)
    said = [
        [look.said(caption(scene, writes, recipe.things)) for _ in range(recipe.ways)]
        for look, scene in zip(looks, scenes, strict=True)
    ]
    stage = ControlStage(
        Steered(taught.unet, net.to(latents.device), edges_of(pictures())),
        taught.text_encoder,
        taught.vae,
        taught.tokenizer,
        latents,
        taught.read(said),
        recipe.settings,
        prompts=[several[0] for several in said[:SHOWN]],
        seed=recipe.seed,
        scale=taught.vae.config.scaling_factor,
        unspoken=recipe.unspoken,
    )
    stage.origin = fingerprint(taught.unet)
    train(stage, run)
    stage.networks.controlnet.cpu().half().save_pretrained(output)
    clock.say_written(output)


def _begin_with(net: ControlNetModel, folder: Path) -> None:
    """Give a net the weights that lie in a folder. Raises `InputError` where they do not fit it."""
    there = ControlNetModel.from_pretrained(folder).float().state_dict()
    shapes, wanted = (
        {name: tensor.shape for name, tensor in each.items()} for each in (there, net.state_dict())
    )
    if shapes != wanted:
        raise InputError(
            f"{shown_path(folder)} is another ControlNet than this recipe teaches; give one that "
            "`kakusan train control` wrote of the same model"
        )
    net.load_state_dict(there)


def edges_of(pictures: Iterable[npt.NDArray[np.uint8]]) -> Tensor:
    """Where each picture has edges, bool, shape (pictures, height, width)."""
    return torch.from_numpy(np.stack([canny(picture) > 0 for picture in pictures]))
