"""An object in a scene, and how seeds vary it: its place across."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

from kakusan.builtin.recipe.backdrops import Rng

# Objects move by whole cells of the latents, where an encoder that slides over the picture gives
# each the same code in every cell, and by an even number of them, which the next smaller grid of a
# UNet has cells for too: a small model learns a few codes by heart long before all shifts.
CELLS = 16
_STEP = 2 / CELLS


class Chances(NamedTuple):
    """What of a picture its prompt leaves open, each evenly from 0 to 1.

    Attributes:
        across: whether its objects are in the middle, to the left or to the right of it.
    """

    across: float = 0.5

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


def varied(items: Sequence[Item], chances: Chances) -> tuple[Item, ...]:
    """The items as another picture of the same prompt may show them.

    They keep all else: sizes, how they stand to one another, and the ground under them.

    Args:
        items: where they stand in the plainest picture.
        chances: decide everything.
    """
    room = [-_STEP, 0.0, _STEP]
    free = [by for by in room if all(_inside(item.x + by, item.size) for item in items)]
    across = free[int(chances.across * len(free))] if items else 0.0
    return tuple(replace(item, x=item.x + across) for item in items)


def _inside(x: float, size: float) -> bool:
    """Whether an object is inside of the picture, from left to right."""
    return size / 2 - 1e-6 <= x <= 1 - size / 2 + 1e-6


def in_cell(at: float) -> float:
    """The nearest border of two cells."""
    return round(at * CELLS) / CELLS
