"""Do seeds vary the built-in model's pictures as much as true scenes of one prompt differ?

    python -m benchmarks.variety [--model FOLDER] [--prompts N] [--grid FILE.png]

Of each prompt that asks for something on a plain ground, where only the objects can vary, `SEEDS`
pictures are drawn, and as many true scenes. The distance of two pictures is the mean absolute
difference of their values, of 255; the measure is the mean distance between pictures of one prompt,
and its ratio to that of true scenes.
"""

import argparse
import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.measure import markdown_table
from kakusan.builtin.recipe.marking import SEED, Case, cases
from kakusan.builtin.recipe.painter import Painter
from kakusan.builtin.recipe.scenes import Scene, arranged, in_some_way
from kakusan.pipeline import StableDiffusionPipeline
from kakusan.training.grids import grid

SEEDS = 6
PROMPTS = 40

Pictures = npt.NDArray[np.uint8]


def plain(count: int) -> Iterator[Case]:
    """Prompts for objects on plain grounds, those that `benchmarks.scores` begins with."""
    asked = cases(20 * count)
    found = (case for case in asked if case.scene.items and case.scene.place is None)
    return itertools.islice(found, count)


def distance(pictures: Pictures) -> float:
    """The mean absolute difference between any two of the pictures (n, height, width, 3)."""
    pairs = itertools.combinations(pictures.astype(np.float32), 2)
    return float(np.mean([np.abs(one - other).mean() for one, other in pairs]))


def true_scenes(case: Case, painter: Painter, rng: np.random.Generator) -> Pictures:
    """As many scenes of a prompt as are drawn of it."""
    return np.stack([painter.draw(scene) for scene in ways(case.scene, rng)])


def ways(scene: Scene, rng: np.random.Generator) -> list[Scene]:
    """Scenes that a prompt for this one leaves open."""
    alike = scene.relation is None
    plainest = arranged(
        scene.items[:1] if alike else scene.items,
        count=len(scene.items) if alike else 1,
        relation=scene.relation,
        colour=scene.colour,
        style=scene.style,
    )
    found = [in_some_way(plainest, rng) for _ in range(SEEDS)]
    return [replace(each, seed=int(rng.integers(2**31))) for each in found]


def main() -> None:
    """Draw and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="builtin")
    parser.add_argument("--prompts", type=int, default=PROMPTS)
    parser.add_argument("--grid", type=Path, help="write the pictures, a prompt a row")
    arguments = parser.parse_args()
    pipe = StableDiffusionPipeline.from_pretrained(arguments.model)
    pipe.set_progress_bar_config(disable=None)
    asked = list(plain(arguments.prompts))
    prompts = [case.prompt for case in asked for _ in range(SEEDS)]
    images = [np.asarray(each.image) for each in pipe.pictures(prompts, seed=SEED, batch_size=24)]
    drawn = np.stack(images).reshape(len(asked), SEEDS, *images[0].shape)
    painter, rng = Painter(), np.random.default_rng(SEED)
    true = [true_scenes(case, painter, rng) for case in asked]
    ours, theirs = ([distance(each) for each in several] for several in (drawn, true))
    rows = [
        ("the model's pictures", f"{np.mean(ours):.1f}"),
        ("true scenes", f"{np.mean(theirs):.1f}"),
        ("ratio", f"{np.mean(ours) / np.mean(theirs):.2f}"),
    ]
    print(markdown_table(("mean distance", f"of {len(asked)} prompts, {SEEDS} seeds"), rows))
    if arguments.grid is not None:
        pairs = [np.concatenate(pair) for pair in zip(drawn, true, strict=True)]
        grid(np.concatenate(pairs), columns=2 * SEEDS).save(arguments.grid)


if __name__ == "__main__":
    main()
