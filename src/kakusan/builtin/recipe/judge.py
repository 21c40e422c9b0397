"""A small detector that says what a picture shows, taught on drawn scenes: the judge of scores.

It learns from true scenes alone, blurred, noisy, shifted in colour and place, never from a model's
pictures. On a 16x16 grid it says where objects' centres are, and which object and colour each is;
of the whole picture it says the place and the style.
"""

import itertools
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from kakusan.builtin.recipe.backdrops import Rng
from kakusan.builtin.recipe.painter import Painter
from kakusan.builtin.recipe.scenes import LOCATIONS, Item, Scene, location, random_scene
from kakusan.builtin.recipe.world import COLOURS, CORE, STYLES
from kakusan.training.grids import grid, to_pictures, to_tensor
from kakusan.training.pace import StageSettings
from kakusan.training.trainer import Stage, mixed_precision, train

PIXELS, CELLS = 128, 16
OWN = len(COLOURS)  # the colour of what was not recoloured
FOUND = 0.35  # the least certainty that counts as an object
FOLDER = Path("runs") / "judge"
SETTINGS = StageSettings(
    steps=3000, batch_size=32, learning_rate=2e-3, warmup_steps=200, ema_decay=0.998, save_every=500
)


class Detector(nn.Module):
    """Heat of centres, object, colour in every cell; place and style of the whole."""

    def __init__(self, things: int = CORE) -> None:
        super().__init__()
        self.things = things
        widths = (3, 32, 64, 128)
        layers: list[nn.Module] = []
        for before, after in itertools.pairwise(widths):
            layers += [
                nn.Conv2d(before, after, 5 if before == 3 else 3, 2, 2 if before == 3 else 1)
            ]
            layers += [nn.GroupNorm(8, after), nn.SiLU()]
        for dilation in (1, 2, 4, 1):
            layers += [
                nn.Conv2d(128, 128, 3, 1, dilation, dilation),
                nn.GroupNorm(8, 128),
                nn.SiLU(),
            ]
        self.body = nn.Sequential(*layers)
        self.cells = nn.Conv2d(128, 1 + things + OWN + 1, 1)
        self.whole = nn.Linear(256, LOCATIONS + len(STYLES))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        features = self.body(x)
        pooled = torch.cat([features.mean((2, 3)), features.amax((2, 3))], dim=1)
        return self.cells(features), self.whole(pooled)


def cell_of(item: Item) -> tuple[int, int]:
    """Row and column of an object's centre."""
    row, column = (min(CELLS - 1, max(0, int(v * CELLS))) for v in (item.y, item.x))
    return row, column


class JudgeStage(Stage[Detector]):
    """Teaches the detector."""

    name = "judge"

    def __init__(self, settings: StageSettings = SETTINGS, seed: int = 40) -> None:
        torch.manual_seed(seed)
        self.networks = Detector()
        self.settings = settings
        self.seed = seed
        self.painter = Painter(PIXELS)

    def loss(self, rng: np.random.Generator) -> Tensor:
        """Return the sum of the heads' losses."""
        scenes = [moved(random_scene(rng, CORE), rng) for _ in range(self.settings.batch_size)]
        pictures = degraded(to_tensor(np.stack([self.painter.draw(s) for s in scenes])), rng)
        with mixed_precision(self.device):
            cells, whole = self.networks(pictures)
        cells, whole = cells.float(), whole.float()
        heat = torch.zeros(len(scenes), CELLS, CELLS)
        places: list[tuple[int, int, int]] = []
        things: list[int] = []
        colours: list[int] = []
        rows = torch.arange(CELLS, dtype=torch.float32)
        for index, scene in enumerate(scenes):
            for item in scene.items:
                row, column = cell_of(item)
                bump = (rows - row)[:, None] ** 2 + (rows - column)[None] ** 2
                heat[index] = torch.maximum(heat[index], torch.exp(-bump / 1.2))
                places.append((index, row, column))
                things.append(item.thing)
                colours.append(OWN if item.colour is None else item.colour)
        logits = cells[:, 0]
        certain = torch.sigmoid(logits)
        positive = (heat == 1).float()
        weight = positive * (1 - certain) ** 2 + (1 - positive) * (1 - heat) ** 4 * certain**2
        fire = F.binary_cross_entropy_with_logits(
            logits, positive, weight.detach(), reduction="sum"
        )
        loss = fire / max(1, len(places))
        if places:
            index, row, column = torch.tensor(places).T
            at = cells[index, :, row, column]
            loss = loss + F.cross_entropy(at[:, 1 : 1 + CORE], torch.tensor(things))
            loss = loss + 0.5 * F.cross_entropy(at[:, 1 + CORE :], torch.tensor(colours))
        where = torch.tensor([location(scene) for scene in scenes])
        styles = torch.tensor([scene.style for scene in scenes])
        loss = loss + 0.5 * F.cross_entropy(whole[:, :LOCATIONS], where)
        return loss + 0.5 * F.cross_entropy(whole[:, LOCATIONS:], styles)

    def samples(self) -> Image.Image:
        """Return some of the pictures that it learns from."""
        rng = np.random.default_rng(self.seed)
        pictures = [self.painter.draw(moved(random_scene(rng, CORE), rng)) for _ in range(16)]
        return grid(to_pictures(degraded(to_tensor(np.stack(pictures)), rng)), columns=8)


def moved(scene: Scene, rng: Rng) -> Scene:
    """A scene whose objects are a cell to either side, or none, as far as the picture has room."""
    across, down = (int(shift) / CELLS for shift in rng.integers(-1, 2, size=2))

    def inside(at: float, size: float) -> bool:
        return size / 2 <= at <= 1 - size / 2

    items = tuple(replace(each, x=each.x + across, y=each.y + down) for each in scene.items)
    fit = all(inside(each.x, each.size) and inside(each.y, each.size) for each in items)
    return replace(scene, items=items) if fit else scene


def degraded(pictures: Tensor, rng: np.random.Generator) -> Tensor:
    """As a model might draw them: softer, a little noisy, a little off in light."""
    out: list[Tensor] = []
    for picture in pictures:
        factor = float(rng.choice([1.0, 1.0, 0.7, 0.5, 0.4]))
        each = picture[None]
        if factor < 1:
            each = F.interpolate(each, scale_factor=factor, mode="area")
            each = F.interpolate(each, size=picture.shape[1:], mode="bilinear")
        light = 1 + float(rng.uniform(-0.08, 0.08))
        noise = torch.from_numpy(rng.standard_normal(each.shape, dtype=np.float32))
        shift = torch.from_numpy(rng.uniform(-0.05, 0.05, (1, 3, 1, 1)).astype(np.float32))
        out.append(each * light + shift + noise * float(rng.uniform(0, 0.06)))
    return torch.cat(out).clamp(-1, 1)


@dataclass(frozen=True)
class Seen:
    """An object that the judge sees: which, its colour, and its centre."""

    thing: int
    colour: int
    x: float
    y: float


@dataclass(frozen=True)
class Verdict:
    """What the judge sees in a picture."""

    objects: tuple[Seen, ...]
    location: int
    style: int


class Judge:
    """Looks at pictures, uint8 (n, 128, 128, 3)."""

    def __init__(self, run: Path = FOLDER, settings: StageSettings = SETTINGS) -> None:
        stage = JudgeStage(settings)
        train(stage, run)
        self.detector = stage.networks.eval()

    @torch.no_grad()
    def look(self, pictures: npt.NDArray[np.uint8]) -> list[Verdict]:
        """What each picture shows."""
        cells, whole = self.detector(to_tensor(pictures))
        heat = torch.sigmoid(cells[:, 0])
        peaks = (heat == F.max_pool2d(heat[:, None], 3, 1, 1)[:, 0]) & (heat > FOUND)
        verdicts: list[Verdict] = []
        for index in range(len(pictures)):
            objects: list[Seen] = []
            for row, column in peaks[index].nonzero().tolist():
                at = cells[index, :, row, column]
                thing, colour = int(at[1 : 1 + CORE].argmax()), int(at[1 + CORE :].argmax())
                objects.append(Seen(thing, colour, (column + 0.5) / CELLS, (row + 0.5) / CELLS))
            where = int(whole[index, :LOCATIONS].argmax())
            verdicts.append(Verdict(tuple(objects), where, int(whole[index, LOCATIONS:].argmax())))
        return verdicts
