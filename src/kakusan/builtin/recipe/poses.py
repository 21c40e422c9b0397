"""An object in a scene, and how seeds vary it: place, size, side, tilt, another glyph of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

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

_OTHER_SHARE = 0.3  # of objects that show another of their glyphs
_TILTED_SHARE = 0.3
_TILT, _TILT_ON_GROUND = 14.0, 7.0  # degrees, at most
_GROUND_PLAY = 0.03  # how far above or below a place's ground things stand
_MARGIN = 0.01  # that is kept free around all objects
_OWN_PLAY = 0.025  # how far each of several is from its place beside the others


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
    rng: Rng,
    *,
    ground: float | None,
    lowest: float = 1.0,
    touching: bool,
    alike: bool,
) -> tuple[Item, ...]:
    """The items as another picture of the same prompt may show them.

    They keep the size that a word names, how they stand to one another, and the ground under them.

    Args:
        items: where they stand in the plainest picture.
        rng: decides everything.
        ground: the height that they stand on; None where they float.
        lowest: the height that none of them reaches below.
        touching: whether they are on or in one another, and stay so.
        alike: whether all of them are the same object.
    """
    if not items:
        return ()
    grounded = ground is not None and abs(_bottom(items) - ground) < 2 * _GROUND_PLAY
    if len(items) > 1 and not touching:
        items = [_played(item, rng, grounded) for item in items]
    on = _bottom(items) if grounded else None
    items = _moved(_scaled(items, rng), rng, ground=on, lowest=lowest)
    return _turned(items, rng, touching=touching, alike=alike, grounded=grounded)


def _bottom(items: Sequence[Item]) -> float:
    return max(item.y + item.size / 2 for item in items)


def _played(item: Item, rng: Rng, grounded: bool) -> Item:
    """One of several, a little larger or smaller and away from its place."""
    size = item.size * rng.uniform(0.94, 1.06)
    across, down = rng.uniform(-_OWN_PLAY, _OWN_PLAY, 2)
    down = (item.size - size) / 2 if grounded else down
    return replace(item, size=float(size), x=item.x + float(across), y=item.y + float(down))


def _scaled(items: Sequence[Item], rng: Rng) -> list[Item]:
    """All of them larger or smaller around their common centre, and not larger than the picture."""
    if any(item.word for item in items):
        low, high = 0.94, 1.06  # a word's size stays apart from the next one's
    else:
        low, high = (0.82, 1.2) if len(items) == 1 else (0.84, 1.12)
    left, top, right, bottom = _box(items)
    most = (1 - 2 * _MARGIN) / max(right - left, bottom - top)
    scale = min(float(rng.uniform(low, high)), most)
    x, y = (left + right) / 2, (top + bottom) / 2
    return [
        replace(
            item, size=item.size * scale, x=x + (item.x - x) * scale, y=y + (item.y - y) * scale
        )
        for item in items
    ]


def _moved(items: Sequence[Item], rng: Rng, *, ground: float | None, lowest: float) -> list[Item]:
    """All of them anywhere in the picture, or along the ground that they stand on."""
    left, top, right, bottom = _box(items)
    least, most = _MARGIN - left, 1 - _MARGIN - right
    across = float(rng.uniform(least, max(least, most)))  # which rounding can turn around
    low, high = _MARGIN - top, max(_MARGIN - top, lowest - _MARGIN - bottom)
    if ground is None:
        down = float(rng.uniform(low, high))
    else:
        wanted = ground - bottom + float(rng.uniform(-_GROUND_PLAY, _GROUND_PLAY))
        down = min(max(wanted, low), high)
    return [replace(item, x=item.x + across, y=item.y + down) for item in items]


def _turned(
    items: Sequence[Item], rng: Rng, *, touching: bool, alike: bool, grounded: bool
) -> tuple[Item, ...]:
    """Each with a side, a tilt and a glyph; those that touch or are alike have one side."""
    mirrored = bool(rng.random() < 0.5)
    turned: list[Item] = []
    for item in items:
        side = mirrored if touching or alike else bool(rng.random() < 0.5)
        glyph = turned[0].glyph if alike and turned else _some_glyph(item.thing, rng)
        most = _TILT_ON_GROUND if grounded else _TILT
        tilt = float(rng.uniform(-most, most)) if rng.random() < _TILTED_SHARE else 0.0
        thing = THINGS[item.thing]
        upright = touching or thing.kind == "building"
        turned.append(
            replace(
                item,
                glyph=glyph,
                mirrored=side and thing.name not in ONE_WAY,
                tilt=0.0 if upright else tilt,
            )
        )
    return tuple(turned)


def _some_glyph(thing: int, rng: Rng) -> int:
    others = len(glyphs_of(thing)) - 1
    return int(rng.integers(1, others + 1)) if others and rng.random() < _OTHER_SHARE else 0


def _box(items: Sequence[Item]) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of what the items' squares cover."""
    return (
        min(item.x - item.size / 2 for item in items),
        min(item.y - item.size / 2 for item in items),
        max(item.x + item.size / 2 for item in items),
        max(item.y + item.size / 2 for item in items),
    )
