"""Does the built-in model draw what a prompt says? Scores 200 prompts that it prints.

    python -m benchmarks.adherence [--model FOLDER] [--steps 25] [--grid FILE.png]

The background is judged by the picture's border: the named colour nearest to its median. The object
is judged by the nearest clean rendering: all objects, in many sizes and places, on the measured
background. What the judge itself is worth is measured on pictures drawn afresh and printed first.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

import kakusan
from kakusan.training import world
from kakusan.training.captions import article
from kakusan.training.grids import grid
from kakusan.training.painter import emoji, paste, typeface_of

PROMPTS = 200
SEED = 7000
PIXELS = 64
COLOURS = world.COLOURS[:13]  # the model in the package was taught these, and these objects
KNOWN = (
    ("🐱", "cat"),
    ("🐶", "dog"),
    ("🐴", "horse"),
    ("🐟", "fish"),
    ("🐦", "bird"),
    ("🐰", "rabbit"),
    ("🐻", "bear"),
    ("🐸", "frog"),
    ("🐘", "elephant"),
    ("🐢", "turtle"),
    ("🦋", "butterfly"),
    ("🐝", "bee"),
    ("🐙", "octopus"),
    ("🐳", "whale"),
    ("🐧", "penguin"),
    ("🐼", "panda"),
    ("🦊", "fox"),
    ("🦁", "lion"),
    ("🐷", "pig"),
    ("🦉", "owl"),
    ("🐞", "ladybug"),
    ("🍎", "apple"),
    ("🍌", "banana"),
    ("🍓", "strawberry"),
    ("🍋", "lemon"),
    ("🍉", "watermelon"),
    ("🥕", "carrot"),
    ("🍕", "pizza"),
    ("🍔", "hamburger"),
    ("🎂", "cake"),
    ("🍦", "ice cream"),
    ("🍩", "donut"),
    ("🚗", "car"),
    ("🚌", "bus"),
    ("🚲", "bicycle"),
    ("🚀", "rocket"),
    ("✈️", "airplane"),
    ("⛵", "boat"),
    ("🚂", "train"),
    ("🏠", "house"),
    ("🏰", "castle"),
    ("🌳", "tree"),
    ("🌵", "cactus"),
    ("🌻", "sunflower"),
    ("🌹", "rose"),
    ("🌷", "tulip"),
    ("🍄", "mushroom"),
    ("🌞", "sun"),
    ("🌙", "moon"),
    ("⭐", "star"),
    ("❤️", "heart"),
    ("☂️", "umbrella"),
    ("🎸", "guitar"),
    ("⚽", "soccer ball"),
    ("🎈", "balloon"),
    ("🎁", "gift"),
    ("🔑", "key"),
    ("👑", "crown"),
    ("🤖", "robot"),
    ("👻", "ghost"),
    ("⛄", "snowman"),
    ("🧑‍🚀", "astronaut"),
    ("⏰", "clock"),
    ("💎", "diamond"),
)
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
    """A prompt and what it asks for, as indices into `KNOWN` and `COLOURS`."""

    prompt: str
    thing: int
    colour: int


def cases() -> list[Case]:
    """The 200 prompts: every object three times or more, every colour fifteen times or more."""
    found: list[Case] = []
    for index in range(PROMPTS):
        thing, colour = index % len(KNOWN), index % len(COLOURS)
        name, shade = KNOWN[thing][1], COLOURS[colour].name
        phrase = PHRASES[(index + index // len(KNOWN)) % len(PHRASES)]
        prompt = phrase.format(
            thing=name,
            a_thing=f"{article(name)} {name}",
            colour=shade,
            a_colour=f"{article(shade)} {shade}",
        )
        found.append(Case(prompt, thing, colour))
    return found


@dataclass(frozen=True)
class Drawn:
    """A true picture: an object (index into `KNOWN`) of a size at a place, on a flat ground."""

    thing: int
    ground: tuple[float, float, float]
    size: float = 0.8
    x: float = 0.5
    y: float = 0.5

    def picture(self, glyphs: Sequence[Image.Image]) -> np.ndarray:
        """uint8 (64, 64, 3)."""
        levels = tuple(round(min(255, max(0, level))) for level in self.ground)
        picture = Image.new("RGB", (PIXELS, PIXELS), levels)
        paste(picture, glyphs[self.thing], self.size, self.x, self.y)
        return np.asarray(picture)


class Judge:
    """Names the background and the object of a picture, uint8 `(64, 64, 3)`."""

    def __init__(self) -> None:
        typeface = typeface_of()
        self.glyphs = [emoji(typeface, glyph) for glyph, _ in KNOWN]
        places = [
            (thing, size, 0.5 + dx / PIXELS, 0.5 + dy / PIXELS)
            for thing in range(len(KNOWN))
            for size in SIZES
            for dx in _shifts(size)
            for dy in _shifts(size)
        ]
        self.things = np.array([thing for thing, *_ in places])
        black, white = (
            np.stack(
                [
                    _half(Drawn(thing, (level,) * 3, *at).picture(self.glyphs))
                    for thing, *at in places
                ]
            )
            for level in (0, 255)
        )
        # On black a rendering is its own light; what white adds is what shows through.
        self.light = black.reshape(len(places), -1)
        self.cover = (1 - (white - black).mean(-1)).reshape(len(places), -1)

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


def true_pictures(rng: np.random.Generator, count: int) -> list[tuple[Drawn, int]]:
    """Pictures as the model was taught them, and the colours of their grounds."""
    found: list[tuple[Drawn, int]] = []
    for _ in range(count):
        thing, colour = int(rng.integers(len(KNOWN))), int(rng.integers(len(COLOURS)))
        size = float(rng.uniform(0.64, 0.9))
        room = (1 - size) / 2 * 0.7
        x, y = (float(0.5 + rng.uniform(-room, room)) for _ in range(2))
        red, green, blue = np.array(COLOURS[colour].rgb) + rng.integers(-7, 8, 3)
        found.append((Drawn(thing, (red, green, blue), size, x, y), colour))
    return found


def judge_accuracy(judge: Judge, count: int = 400) -> tuple[float, float]:
    """How often the judge is right about true pictures: background, object."""
    background = thing = 0
    for drawn, colour in true_pictures(np.random.default_rng(99), count):
        picture = drawn.picture(judge.glyphs)
        background += judge.background(picture) == colour
        thing += judge.thing(picture) == drawn.thing
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
    print(f"the judge on 400 true pictures: background {background:.1%}, object {thing:.1%}")
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
        drawn = "" if hits.all() else f"  drawn: {KNOWN[thing][1]} on {COLOURS[colour].name}"
        print(f"{'ok ' if hits.all() else 'NO '} {case.prompt}{drawn}")
    print(f"background right: {right[0]}/{len(todo)} = {right[0] / len(todo):.1%}")
    print(f"object right:     {right[1]}/{len(todo)} = {right[1] / len(todo):.1%}")


if __name__ == "__main__":
    main()
