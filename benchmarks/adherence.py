"""Does the built-in model draw what a prompt says? Scores 200 prompts that it prints.

    python -m benchmarks.adherence [--model FOLDER] [--steps 25] [--grid FILE.png]

The background is judged by the picture's border: the named colour nearest to its median. The object
is judged by the nearest clean rendering: all objects, in many sizes and places, on the measured
background. What the judge itself is worth is measured on scenes drawn afresh and printed first.
"""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import kakusan
from kakusan.training.captions import article
from kakusan.training.grids import grid
from kakusan.training.scenes import Painter, Scene, random_scene
from kakusan.training.world import COLOURS, THINGS

PROMPTS = 200
SEED = 7000
PHRASES = (
    "{a_thing} on {a_colour} background",
    "a photo of {a_thing}, {colour} background",
    "{thing}, {colour}",
    "{colour} background with {a_thing}",
    "an emoji of {a_thing} in front of {a_colour} wall",
    "A Photograph of {a_thing} on {a_colour} background",
    "a drawing of {a_thing} against {a_colour} background",
    "{a_thing} in front of {a_colour} background",  # a wording that training never uses
)
SIZES = (0.64, 0.70, 0.76, 0.83, 0.90)
BATCH = 25


@dataclass(frozen=True)
class Case:
    """A prompt and what it asks for, as indices into `THINGS` and `COLOURS`."""

    prompt: str
    thing: int
    colour: int


def cases() -> list[Case]:
    """The 200 prompts: every object three times or more, every colour fifteen times or more."""
    found: list[Case] = []
    for index in range(PROMPTS):
        thing, colour = index % len(THINGS), index % len(COLOURS)
        name, shade = THINGS[thing].name, COLOURS[colour].name
        phrase = PHRASES[(index + index // len(THINGS)) % len(PHRASES)]
        prompt = phrase.format(
            thing=name,
            a_thing=f"{article(name)} {name}",
            colour=shade,
            a_colour=f"{article(shade)} {shade}",
        )
        found.append(Case(prompt, thing, colour))
    return found


class Judge:
    """Names the background and the object of a picture, uint8 `(64, 64, 3)`."""

    def __init__(self) -> None:
        self.painter = Painter()
        scenes = [
            Scene(thing, 0, size, 0.5 + dx / 64, 0.5 + dy / 64)
            for thing in range(len(THINGS))
            for size in SIZES
            for dx in _shifts(size)
            for dy in _shifts(size)
        ]
        self.things = np.array([scene.thing for scene in scenes])
        black = np.stack([self._on(scene, "black") for scene in scenes])
        white = np.stack([self._on(scene, "white") for scene in scenes])
        # On black a rendering is its own light; what white adds is what shows through.
        self.light = black.reshape(len(scenes), -1)
        self.cover = (1 - (white - black).mean(-1)).reshape(len(scenes), -1)

    def background(self, picture: np.ndarray) -> int:
        """The index of the colour nearest to the border."""
        differences = np.array([colour.rgb for colour in COLOURS]) - _border(picture)
        return int(np.square(differences).sum(1).argmin())

    def thing(self, picture: np.ndarray) -> int:
        """The index of the object whose rendering on this background is nearest."""
        colour = _border(picture).astype(np.float32) / 255
        rest = _half(picture) - colour  # (32, 32, 3): what the object changes
        # |rest - (light - cover * colour)|^2 without |rest|^2, for all renderings at once
        along = self.light @ rest.ravel() - self.cover @ (rest @ colour).ravel()
        light = self.light.reshape(len(self.light), -1, 3) @ colour
        own = np.square(self.light).sum(1) - 2 * (light * self.cover).sum(1)
        own += np.square(self.cover).sum(1) * np.square(colour).sum()
        return int(self.things[(own - 2 * along).argmin()])

    def _on(self, scene: Scene, colour: str) -> np.ndarray:
        """The scene on pure black or white, halved."""
        index = next(i for i, known in enumerate(COLOURS) if known.name == colour)
        level = 255 if colour == "white" else 0
        red, green, blue = (level - value for value in COLOURS[index].rgb)
        pure = Scene(scene.thing, index, scene.size, scene.x, scene.y, jitter=(red, green, blue))
        return _half(self.painter.draw(pure))


def _shifts(size: float) -> range:
    """Shifts of the centre in pixels, as far as scenes go."""
    room = int((1 - size) / 2 * 0.7 * 64 / 2) * 2
    return range(-room, room + 1, 2)


def _half(picture: np.ndarray) -> np.ndarray:
    """Half the size, in [0, 1]."""
    return picture.reshape(32, 2, 32, 2, 3).mean((1, 3), dtype=np.float32) / 255


def _border(picture: np.ndarray) -> np.ndarray:
    edges = (picture[:2], picture[-2:], picture[:, :2], picture[:, -2:])
    return np.median(np.concatenate([edge.reshape(-1, 3) for edge in edges]), axis=0)


def judge_accuracy(judge: Judge, count: int = 400) -> tuple[float, float]:
    """How often the judge is right about true scenes: background, object."""
    rng = np.random.default_rng(99)
    scenes = [random_scene(rng, empty=0) for _ in range(count)]
    pictures = [judge.painter.draw(scene) for scene in scenes]
    pairs = list(zip(scenes, pictures, strict=True))
    background = sum(judge.background(picture) == scene.colour for scene, picture in pairs)
    thing = sum(judge.thing(picture) == scene.thing for scene, picture in pairs)
    return background / count, thing / count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="builtin")
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--guidance", type=float)
    parser.add_argument("--scheduler")
    parser.add_argument("--prompts", type=int, default=PROMPTS, help="only the first so many")
    parser.add_argument("--grid", type=Path, help="write all pictures as one PNG")
    options = parser.parse_args()
    judge = Judge()
    background, thing = judge_accuracy(judge)
    print(f"the judge on 400 true scenes: background {background:.1%}, object {thing:.1%}")
    todo, pictures = cases()[: options.prompts], list[np.ndarray]()
    began = time.monotonic()
    for start in range(0, len(todo), BATCH):
        drawn = kakusan.generate(
            [case.prompt for case in todo[start : start + BATCH]],
            model=options.model,
            seed=SEED + start,
            steps=options.steps,
            guidance=options.guidance,
            scheduler=options.scheduler,
            dtype="float32",
            progress=False,
        )
        pictures += [np.asarray(each.image) for each in drawn]
    seconds = time.monotonic() - began
    report(judge, todo, pictures)
    print(f"{seconds / len(todo):.2f} s a picture")
    if options.grid:
        grid(np.stack(pictures), columns=20).save(options.grid)


def report(judge: Judge, todo: list[Case], pictures: list[np.ndarray]) -> None:
    """Print each prompt with what was drawn, and the totals."""
    right = np.zeros(2, dtype=int)
    for case, picture in zip(todo, pictures, strict=True):
        colour, thing = judge.background(picture), judge.thing(picture)
        hits = np.array([colour == case.colour, thing == case.thing])
        right += hits
        drawn = "" if hits.all() else f"  drawn: {THINGS[thing].name} on {COLOURS[colour].name}"
        print(f"{'ok ' if hits.all() else 'NO '} {case.prompt}{drawn}")
    print(f"background right: {right[0]}/{len(todo)} = {right[0] / len(todo):.1%}")
    print(f"object right:     {right[1]}/{len(todo)} = {right[1] / len(todo):.1%}")


if __name__ == "__main__":
    main()
