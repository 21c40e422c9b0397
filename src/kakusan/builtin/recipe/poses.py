"""An object in a scene, and how seeds vary it: its place, its size, the side it is seen from."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

from kakusan.builtin.recipe.backdrops import Rng
from kakusan.builtin.recipe.world import THINGS

# What has letters or numbers, or is known by the way it is turned
ONE_WAY = {
    *("ambulance", "billiard ball", "book", "clock", "compass", "earth", "gold medal", "hospital"),
    *("moon", "piano", "police car", "radio", "school", "smartphone"),
}

# Objects move by whole cells of the latents, where an encoder that slides over the picture gives
# each the same code in every cell, and by an even number of them, which the next smaller grid of a
# UNet has cells for too: a small model learns a few codes by heart long before all shifts.
CELLS = 16
_STEP = 2 / CELLS
# Sizes of a single object of which nothing is said: those of one of several, the usual, a big one
_SIZES = (52 / 128, 72 / 128, 72 / 128, 96 / 128)


class Chances(NamedTuple):
    """What of a picture its prompt leaves open, each evenly from 0 to 1.

    Attributes:
        across: how far to the right its objects are.
        down: how far below.
        size: how large they are.
        side: from which side they are seen.
    """

    across: float = 0.5
    down: float = 0.5
    size: float = 0.5
    side: float = 0.25

    @classmethod
    def of(cls, rng: Rng) -> Self:
        return cls(*map(float, rng.random(len(cls._fields))))


MIDDLE = Chances()


@dataclass(frozen=True)
class Item:
    """An object in a scene.

    `thing` and `colour` index `THINGS` and `COLOURS`; None leaves its own colours. `size` is the
    longer side and `x`, `y` the centre, as fractions of the picture. `word` names the size.
    """

    thing: int
    colour: int | None = None
    size: float = 0.6
    x: float = 0.5
    y: float = 0.5
    word: str | None = None
    mirrored: bool = False


def varied(
    items: Sequence[Item], chances: Chances, *, ground: float | None, lowest: float = 1.0
) -> tuple[Item, ...]:
    """The items as another picture of the same prompt may show them.

    They keep the size that a word names, how they stand to one another, and the ground under them.

    Args:
        items: where they stand in the plainest picture.
        chances: decide everything.
        ground: the height that they stand on; None where they float.
        lowest: the height that none of them reaches below.
    """
    if not items:
        return ()
    grounded = ground is not None and abs(_bottom(items) - ground) < 1 / CELLS
    if len(items) == 1 and items[0].word is None:
        items = [_sized(items[0], chances.size, ground if grounded else None)]
    left, top, right, bottom = _box(items)
    across = _steps(chances.across, -left, 1 - right)
    down = 0.0 if grounded else _steps(chances.down, -top, lowest - bottom)
    return tuple(
        replace(
            item,
            x=item.x + across,
            y=item.y + down,
            mirrored=chances.side >= 0.5 and THINGS[item.thing].name not in ONE_WAY,
        )
        for item in items
    )


def _bottom(items: Sequence[Item]) -> float:
    return max(item.y + item.size / 2 for item in items)


def _sized(item: Item, chance: float, ground: float | None) -> Item:
    """The item in one of the sizes, on the same ground or around the same centre."""
    size = _SIZES[int(chance * len(_SIZES))]
    if ground is None:
        return replace(item, size=size, y=min(max(item.y, size / 2), 1 - size / 2))
    return replace(item, size=size, y=max(in_cell(size / 2), in_cell(ground - size / 2)))


def in_cell(at: float) -> float:
    """The nearest border of two cells."""
    return round(at * CELLS) / CELLS


def _steps(chance: float, least: float, most: float) -> float:
    """One of the steps from `least` to `most`, 0 among them, each as likely as any other."""
    first = math.ceil(min(0.0, least) / _STEP - 1e-6)
    last = math.floor(max(0.0, most) / _STEP + 1e-6)
    return (first + min(last - first, int(chance * (last - first + 1)))) * _STEP


def _box(items: Sequence[Item]) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of what the items' squares cover."""
    return (
        min(item.x - item.size / 2 for item in items),
        min(item.y - item.size / 2 for item in items),
        max(item.x + item.size / 2 for item in items),
        max(item.y + item.size / 2 for item in items),
    )
