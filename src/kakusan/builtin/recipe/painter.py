"""Draws scenes with glyphs of Noto Color Emoji (SIL Open Font License 1.1, Google).

Only training and its tests need the font.
"""

import functools
from contextlib import suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont, features

from kakusan.builtin.recipe import backdrops
from kakusan.builtin.recipe.scenes import Scene
from kakusan.builtin.recipe.world import COLOURS, LINE, PIXEL, PLACES, THINGS
from kakusan.errors import InputError

FONT = "NotoColorEmoji.ttf"
FONT_PATHS = (
    Path("/usr/share/fonts/truetype/noto", FONT),
    Path("/usr/share/fonts/noto", FONT),
    Path("/usr/share/fonts/google-noto-emoji", FONT),
)
STRIKE = 109  # the only size at which the font holds its pictures
PIXEL_ART = 32  # blocks along a side of pixel art
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def find_font() -> Path:
    """Where Noto Color Emoji is installed.

    Raises:
        InputError: It is not.
    """
    for path in FONT_PATHS:
        if path.is_file():
            return path
    with suppress(OSError):  # Pillow knows where each system keeps its fonts
        return Path(str(ImageFont.truetype(FONT, STRIKE).path))
    raise InputError(
        "training draws its pictures with Noto Color Emoji, which is not installed; install it "
        "(Debian, Ubuntu: apt-get install fonts-noto-color-emoji; Windows, macOS: install its file "
        f"{FONT} as a font)"
    )


class Painter:
    """Draws scenes as square RGB pictures; the same scene always gives the same pixels."""

    def __init__(self, pixels: int = 128, font: Path | None = None) -> None:
        self.pixels = pixels
        self._typeface = typeface_of(font)
        self._glyph = functools.cache(self._draw_glyph)

    def draw(self, scene: Scene) -> npt.NDArray[np.uint8]:
        """The scene as uint8 `(pixels, pixels, 3)`."""
        rng = np.random.default_rng(scene.seed)
        if scene.at is None:
            backdrop = backdrops.paint_plain(COLOURS[scene.colour].rgb, rng, self.pixels)
        else:
            backdrop = PLACES[scene.at].paint(rng, self.pixels)
        light = None if scene.place is None else PLACES[scene.place].light
        if scene.setting is not None and light is not None:
            backdrop = light(backdrop, rng)
        picture = Image.fromarray(np.clip(np.round(backdrop), 0, 255).astype(np.uint8))
        for item in reversed(scene.items):
            glyph = self._glyph(item.thing, item.colour)
            paste(picture, glyph, item.size, item.x, item.y)
        if scene.style == PIXEL:
            return _pixel_art(picture)
        return _line_drawing(np.asarray(picture)) if scene.style == LINE else np.asarray(picture)

    def _draw_glyph(self, thing: int, colour: int | None) -> Image.Image:
        glyph = emoji(self._typeface, THINGS[thing].glyph)
        return glyph if colour is None else recoloured(glyph, COLOURS[colour].rgb)


def typeface_of(font: Path | None = None) -> ImageFont.FreeTypeFont:
    """The font, where it is found if it is not given.

    Raises:
        InputError: It is not found, or Pillow cannot join characters that make one emoji.
    """
    if not features.check("raqm"):
        raise InputError(
            "Pillow has no text layout here, without which some emoji fall apart; install FriBiDi "
            "(Debian, Ubuntu: apt-get install libfribidi0)"
        )
    return ImageFont.truetype(str(font or find_font()), STRIKE)


def emoji(typeface: ImageFont.FreeTypeFont, text: str) -> Image.Image:
    """An emoji as RGBA, cropped to what is drawn."""
    canvas = Image.new("RGBA", (4 * STRIKE, 2 * STRIKE))
    place = (STRIKE // 2, STRIKE // 4)
    ImageDraw.Draw(canvas).text(place, text, font=typeface, embedded_color=True)
    return canvas.crop(canvas.getbbox())


def paste(picture: Image.Image, glyph: Image.Image, size: float, x: float, y: float) -> None:
    """Put a glyph into a square picture; its longer side and its centre are fractions of that."""
    pixels = picture.width
    ratio = size * pixels / max(glyph.size)
    width, height = (max(1, round(side * ratio)) for side in glyph.size)
    glyph = glyph.resize((width, height), Image.Resampling.BOX)
    picture.paste(glyph, (round(x * pixels - width / 2), round(y * pixels - height / 2)), glyph)


def recoloured(glyph: Image.Image, rgb: tuple[int, int, int]) -> Image.Image:
    """A glyph in shades of one colour; what is nearly black (eyes) or white stays so."""
    values = np.asarray(glyph, np.float32)
    light = values[..., :3] @ _LUMA / 255
    usual = float(np.median(light[values[..., 3] > 128]))
    shade = np.clip(light / max(usual, 0.2), 0.3, 1.25)[..., None]
    painted = np.clip(
        np.asarray(rgb, np.float32) * (0.25 + 0.75 * shade) + 12 * (shade - 1), 0, 255
    )
    keep = np.clip((0.22 - light) / 0.1, 0, 1) if usual > 0.35 else np.zeros_like(light)
    keep = np.maximum(keep, np.clip((light - 0.93) / 0.05, 0, 1) * (usual < 0.85))[..., None]
    colours = painted + (values[..., :3] - painted) * keep
    return Image.fromarray(np.concatenate([colours, values[..., 3:]], -1).astype(np.uint8), "RGBA")


def _pixel_art(picture: Image.Image) -> npt.NDArray[np.uint8]:
    small = picture.resize((PIXEL_ART, PIXEL_ART), Image.Resampling.BOX)
    levels = np.round(np.asarray(small, np.float32) / 36.4) * 36.4  # eight of each channel
    blocks = Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8))
    return np.asarray(blocks.resize(picture.size, Image.Resampling.NEAREST))


def _line_drawing(picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Dark lines where neighbours differ, on paper with a trace of the shading."""
    light = picture.astype(np.float32) @ _LUMA
    across = np.abs(np.diff(picture.astype(np.float32), axis=1, append=picture[:, -1:]))
    down = np.abs(np.diff(picture.astype(np.float32), axis=0, append=picture[-1:]))
    edge = np.clip((across.sum(-1) + down.sum(-1) - 36) / 110, 0, 1)
    paper = 250 - 0.16 * (255 - light)
    ink = paper * (1 - edge) + 28 * edge
    return np.repeat(ink[..., None], 3, axis=2).astype(np.uint8)
