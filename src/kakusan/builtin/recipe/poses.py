"""An object in a scene, and how seeds vary it: place, size, side, tilt, another glyph of it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

from kakusan.builtin.recipe.backdrops import Rng
from kakusan.builtin.recipe.world import THINGS

# Other glyphs that are called by the same names, and counted as one
OTHER_GLYPHS = {
    "cat": ("🐈",),
    "dog": ("🐕",),
    "horse": ("🐴",),
    "rabbit": ("🐇",),
    "whale": ("🐋",),
    "pig": ("🐖",),
    "tiger": ("🐅",),
    "monkey": ("🐒",),
    "cow": ("🐄",),
    "chick": ("🐥",),
    "mouse": ("🐁",),
    "camel": ("🐪",),
    "dragon": ("🐲",),
    "astronaut": ("👩‍🚀", "👨‍🚀"),
    "wizard": ("🧙‍♂️", "🧙‍♀️"),
    "firefighter": ("👩‍🚒", "👨‍🚒"),
    "cook": ("👩‍🍳", "👨‍🍳"),
    "doctor": ("👩‍⚕️", "👨‍⚕️"),
    "singer": ("👩‍🎤", "👨‍🎤"),
    "car": ("🚘",),
    "bus": ("🚍",),
    "taxi": ("🚖",),
    "police car": ("🚔",),
    "airplane": ("🛩️",),
    "ship": ("🛳️",),
    "house": ("🏡",),
    "sun": ("☀️",),
    "moon": ("🌛",),
    "star": ("🌟",),
    "telephone": ("📞",),
    "earth": ("🌎", "🌏"),
}
# What has letters or numbers, or is known by the way it is turned
ONE_WAY = {
    *("ambulance", "billiard ball", "book", "clock", "compass", "earth", "gold medal", "hospital"),
    *("moon", "piano", "police car", "radio", "school", "smartphone"),
}

# Objects stand on a grid of as many cells as the latents have, and are whole cells large, where an
# encoder that slides over the picture gives each the same code in every cell: a small model learns
# a few codes by heart long before it learns all shifts.
CELLS = 16
_OTHER_SHARE = 0.3  # of objects that show another of their glyphs
_TILTED_SHARE = 0.2
_TILT = 10.0  # degrees, to one side or the other
_GROUND_PLAY = 0.03  # how far above or below a place's ground things stand


class Chances(NamedTuple):
    """What of a picture its prompt leaves open, each evenly from 0 to 1.

    Attributes:
        across: how far to the right its objects are.
        down: how far below.
        size: how large they are.
        look: from which side they are seen, and which of their glyphs that is.
        tilt: how they are tilted.
    """

    across: float = 0.5
    down: float = 0.5
    size: float = 0.5
    look: float = 0.25
    tilt: float = 0.5

    @classmethod
    def of(cls, rng: Rng) -> Self:
        return cls(*map(float, rng.random(len(cls._fields))))


MIDDLE = Chances()


@dataclass(frozen=True)
class Item:
    """An object in a scene.

    `thing` and `colour` index `THINGS` and `COLOURS`; None leaves its own colours. `size` is the
    longer side and `x`, `y` the centre, as fractions of the picture. `word` names the size.
    `glyph` indexes `glyphs_of` the thing; `tilt` is in degrees, counterclockwise.
    """

    thing: int
    colour: int | None = None
    size: float = 0.6
    x: float = 0.5
    y: float = 0.5
    word: str | None = None
    glyph: int = 0
    mirrored: bool = False
    tilt: float = 0.0


def glyphs_of(thing: int) -> tuple[str, ...]:
    """The emoji that show a thing, the usual one first."""
    return (THINGS[thing].glyph, *OTHER_GLYPHS.get(THINGS[thing].name, ()))


def varied(
    items: Sequence[Item],
    chances: Chances,
    *,
    ground: float | None,
    lowest: float = 1.0,
    touching: bool,
) -> tuple[Item, ...]:
    """The items as another picture of the same prompt may show them.

    They keep the size that a word names, how they stand to one another, and the ground under them.

    Args:
        items: where they stand in the plainest picture.
        chances: decide everything.
        ground: the height that they stand on; None where they float.
        lowest: the height that none of them reaches below.
        touching: whether they are on or in one another, and stay so.
    """
    if not items:
        return ()
    grounded = ground is not None and abs(_bottom(items) - ground) < 2 * _GROUND_PLAY
    on = _bottom(items) if grounded else None
    items = [_in_cells(item) for item in _scaled(items, chances.size)]
    items = _moved(items, chances, ground=on, lowest=lowest)
    return tuple(_turned(item, chances, upright=touching or grounded) for item in items)


def _bottom(items: Sequence[Item]) -> float:
    return max(item.y + item.size / 2 for item in items)


def _scaled(items: Sequence[Item], chance: float) -> list[Item]:
    """All of them larger or smaller around their common centre, and not larger than the picture."""
    if any(item.word for item in items):
        low, high = 0.94, 1.06  # a word's size stays apart from the next one's
    else:
        low, high = (0.84, 1.16) if len(items) == 1 else (0.84, 1.12)
    left, top, right, bottom = _box(items)
    most = (1 - 1 / CELLS) / max(right - left, bottom - top)
    scale = min(low + chance * (high - low), most)
    x, y = (left + right) / 2, (top + bottom) / 2
    return [
        replace(
            item, size=item.size * scale, x=x + (item.x - x) * scale, y=y + (item.y - y) * scale
        )
        for item in items
    ]


def _moved(
    items: Sequence[Item], chances: Chances, *, ground: float | None, lowest: float
) -> list[Item]:
    """All of them by whole cells to anywhere in the picture, or along the ground under them."""
    left, top, right, bottom = _box(items)
    across = _whole(chances.across, -left, 1 - right)
    if ground is None:
        down = _whole(chances.down, -top, lowest - bottom)
    else:
        wanted = ground - bottom + (2 * chances.down - 1) * _GROUND_PLAY
        down = max(-top, min(round(wanted * CELLS) / CELLS, 1 - bottom))
    return [replace(item, x=item.x + across, y=item.y + down) for item in items]


def _whole(chance: float, least: float, most: float) -> float:
    """One of the whole cells from `least` to `most`, each as likely as any other."""
    first = round(least * CELLS)
    steps = max(0, math.floor(most * CELLS + 1e-6) - first)
    return (first + min(steps, int(chance * (steps + 1)))) / CELLS


def _in_cells(item: Item) -> Item:
    """An object that fills whole cells, those nearest to where it is."""
    size = min(CELLS - 1, max(1, round(item.size * CELLS)))
    x, y = (
        min(CELLS - size, max(0, round((at - item.size / 2) * CELLS))) for at in (item.x, item.y)
    )
    return replace(item, size=size / CELLS, x=(x + size / 2) / CELLS, y=(y + size / 2) / CELLS)


def _turned(item: Item, chances: Chances, *, upright: bool) -> Item:
    """An object with a side, a glyph and a tilt, which all objects of a picture share."""
    thing, others = THINGS[item.thing], len(glyphs_of(item.thing)) - 1
    within = 2 * chances.look % 1  # one side's half
    glyph = 1 + int(within / _OTHER_SHARE * others) if others and within < _OTHER_SHARE else 0
    tilt = 0.0
    if chances.tilt < _TILTED_SHARE and not upright and thing.kind != "building":
        tilt = _TILT if chances.tilt < _TILTED_SHARE / 2 else -_TILT
    mirrored = chances.look >= 0.5 and thing.name not in ONE_WAY
    return replace(item, glyph=glyph, mirrored=mirrored, tilt=tilt)


def _box(items: Sequence[Item]) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of what the items' squares cover."""
    return (
        min(item.x - item.size / 2 for item in items),
        min(item.y - item.size / 2 for item in items),
        max(item.x + item.size / 2 for item in items),
        max(item.y + item.size / 2 for item in items),
    )
