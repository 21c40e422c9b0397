"""Draws the training pictures: one emoji on a coloured background.

The glyphs are Noto Color Emoji (SIL Open Font License 1.1, Google); only training and the tests of
training need the font.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from kakusan.errors import InputError
from kakusan.training.world import COLOURS, THINGS

FONT_PATHS = (
    Path("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf"),
    Path("/usr/share/fonts/noto/NotoColorEmoji.ttf"),
    Path("/usr/share/fonts/google-noto-emoji/NotoColorEmoji.ttf"),
)
STRIKE = 109  # the only size at which the font holds its pictures

_COLOUR_JITTER = 7  # levels of 255
_SHADE = 0.07  # how much darker the picture's corners may be than its middle


@dataclass(frozen=True)
class Scene:
    """One picture before it is drawn.

    `thing` and `colour` index `THINGS` and `COLOURS`; a `thing` of None is a plain background.
    `size` is the object's longer side and `x`, `y` its centre, as fractions of the picture.
    `shade` darkens the corners, `jitter` is added to the colour's levels.
    """

    thing: int | None
    colour: int
    size: float = 0.8
    x: float = 0.5
    y: float = 0.5
    shade: float = 0.0
    jitter: tuple[int, int, int] = (0, 0, 0)


def random_scene(rng: np.random.Generator, *, empty: float = 0.03, variety: float = 1.0) -> Scene:
    """Draw a scene: any object on any colour, whole, near the middle; `empty` of them without.

    `variety` of 1 gives sizes of 0.64 to 0.9 and places to match, 0 always 0.82 in the middle.
    """
    thing = None if rng.random() < empty else int(rng.integers(len(THINGS)))
    size = float(rng.uniform(0.64 + 0.18 * (1 - variety), 0.9 - 0.08 * (1 - variety)))
    room = (1 - size) / 2 * 0.7 * variety
    x, y = (float(0.5 + rng.uniform(-room, room)) for _ in range(2))
    red, green, blue = (int(v) for v in rng.integers(-_COLOUR_JITTER, _COLOUR_JITTER + 1, 3))
    return Scene(
        thing=thing,
        colour=int(rng.integers(len(COLOURS))),
        size=size,
        x=x,
        y=y,
        shade=float(rng.uniform(0, _SHADE)),
        jitter=(red, green, blue),
    )


def find_font() -> Path:
    """Return where Noto Color Emoji is installed.

    Raises:
        InputError: It is not.
    """
    for path in FONT_PATHS:
        if path.is_file():
            return path
    raise InputError(
        "training draws its pictures with Noto Color Emoji, which is not installed; "
        "install it (Debian, Ubuntu: apt-get install fonts-noto-color-emoji)"
    )


class Painter:
    """Draws scenes as square RGB pictures; the same scene always gives the same pixels."""

    def __init__(self, pixels: int = 64, font: Path | None = None) -> None:
        self.pixels = pixels
        typeface = ImageFont.truetype(str(font or find_font()), STRIKE)
        self._glyphs = [_glyph(typeface, thing.glyph) for thing in THINGS]
        ramp = np.linspace(-1, 1, pixels, dtype=np.float32)
        self._corner = (ramp[:, None] ** 2 + ramp[None, :] ** 2)[..., None] / 2

    def draw(self, scene: Scene) -> np.ndarray:
        """Return the scene as uint8 `(pixels, pixels, 3)`."""
        colour = np.asarray(COLOURS[scene.colour].rgb) + np.asarray(scene.jitter)
        backdrop = np.clip(colour, 0, 255) * (1 - scene.shade * self._corner)
        picture = Image.fromarray(np.round(backdrop).astype(np.uint8))
        if scene.thing is not None:
            glyph = self._scaled(self._glyphs[scene.thing], scene.size)
            left, top = (
                round(centre * self.pixels - side / 2)
                for centre, side in zip((scene.x, scene.y), glyph.size, strict=True)
            )
            picture.paste(glyph, (left, top), glyph)
        return np.asarray(picture)

    def _scaled(self, glyph: Image.Image, size: float) -> Image.Image:
        """Return the glyph scaled to `size` of the picture."""
        ratio = size * self.pixels / max(glyph.size)
        width, height = (max(1, round(side * ratio)) for side in glyph.size)
        return glyph.resize((width, height), Image.Resampling.BOX)


def _glyph(typeface: ImageFont.FreeTypeFont, text: str) -> Image.Image:
    """Return an emoji as RGBA, cropped to what is drawn."""
    canvas = Image.new("RGBA", (4 * STRIKE, 2 * STRIKE))
    ImageDraw.Draw(canvas).text(
        (STRIKE // 2, STRIKE // 4), text, font=typeface, embedded_color=True
    )
    return canvas.crop(canvas.getbbox())
