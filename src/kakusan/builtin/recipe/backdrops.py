"""Paints the places that scenes happen in: skies, grounds, weather, all by the project itself.

A painter takes a generator and a side in pixels and gives float32 `(pixels, pixels, 3)`, from 0
to 255. A light takes such a picture of a place and gives it as it is at night, at sunset, in snow
or in rain.
"""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

Floats = npt.NDArray[np.float32]
RGB = tuple[float, float, float]
Rng = np.random.Generator

_SHADE = 0.07  # how much darker a plain colour's corners may be than its middle
_JITTER = 7.0  # levels that a plain colour may differ from its name's


def gradient(stops: Sequence[tuple[float, RGB]], pixels: int) -> Floats:
    """From top to bottom through colours at heights in [0, 1]."""
    rows = (np.arange(pixels) + 0.5) / pixels
    heights = [height for height, _ in stops]
    channels = [np.interp(rows, heights, [rgb[i] for _, rgb in stops]) for i in range(3)]
    column = np.stack(channels, axis=-1).astype(np.float32)
    return np.repeat(column[:, None], pixels, axis=1)


def paint_plain(rgb: RGB, rng: Rng, pixels: int) -> Floats:
    """One colour, a little darker towards the corners."""
    ramp = np.linspace(-1, 1, pixels, dtype=np.float32)
    corner = (ramp[:, None] ** 2 + ramp[None, :] ** 2)[..., None] / 2
    colour = np.asarray(rgb, np.float32) + rng.uniform(-_JITTER, _JITTER, 3).astype(np.float32)
    shaded = np.clip(colour, 0, 255) * (1 - np.float32(rng.uniform(0, _SHADE)) * corner)
    return shaded.astype(np.float32)


def _drawn(picture: Floats, draw: Callable[[ImageDraw.ImageDraw], None]) -> Floats:
    image = Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))
    draw(ImageDraw.Draw(image, "RGBA"))
    return np.asarray(image, np.float32)


def _clouds(picture: Floats, rng: Rng, count: int, lowest: float, grey: int = 255) -> Floats:
    pixels = len(picture)
    veil = Image.new("L", (pixels, pixels))
    draw = ImageDraw.Draw(veil)
    for _ in range(count):
        x, y = rng.uniform(0, 1) * pixels, rng.uniform(0.04, lowest) * pixels
        for _ in range(4):
            dx, dy = rng.normal(0, 0.07 * pixels), rng.normal(0, 0.015 * pixels)
            w, h = rng.uniform(0.06, 0.13) * pixels, rng.uniform(0.03, 0.055) * pixels
            draw.ellipse((x + dx - w, y + dy - h, x + dx + w, y + dy + h), fill=235)
    cover = np.asarray(veil.filter(ImageFilter.GaussianBlur(pixels / 90)), np.float32)[..., None]
    return (picture + (grey - picture) * (cover / 255)).astype(np.float32)


def _dots(picture: Floats, rng: Rng, count: int, lowest: float, colours: Sequence[RGB]) -> Floats:
    pixels = len(picture)
    size = pixels / 128

    def draw(pen: ImageDraw.ImageDraw) -> None:
        for _ in range(count):
            x, y = rng.uniform(0, pixels), rng.uniform(0, lowest * pixels)
            radius = size * rng.choice([0.5, 0.5, 1.0])
            rgb = colours[int(rng.integers(len(colours)))]
            fill = tuple(int(v) for v in rgb)
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill)

    return _drawn(picture, draw)


def _hills(
    picture: Floats, rng: Rng, height: float, rgb: RGB, swing: float = 0.03, shade: float = 0.8
) -> Floats:
    """Everything below a wavy line at `height`, darker towards the bottom."""
    pixels = len(picture)
    x = np.linspace(0, 2 * np.pi, pixels)
    line = height + swing * np.sin(x * rng.uniform(0.6, 1.6) + rng.uniform(0, 6))
    rows = (np.arange(pixels) + 0.5)[:, None] / pixels
    below = np.clip((rows - line[None]) * pixels, 0, 1)[..., None].astype(np.float32)
    depth = np.clip((rows - height) / (1 - height), 0, 1)[..., None]
    ground = np.asarray(rgb) * (1 - (1 - shade) * depth)
    return (picture * (1 - below) + ground * below).astype(np.float32)


def _sky(rng: Rng, pixels: int) -> Floats:
    turn = rng.uniform(-8, 8)
    return gradient([(0, (88 + turn, 164, 236)), (1, (196 + turn, 228, 250))], pixels)


def paint_sky(rng: Rng, pixels: int) -> Floats:
    return _clouds(_sky(rng, pixels), rng, 3 + int(rng.integers(3)), 0.95)


def paint_night(rng: Rng, pixels: int) -> Floats:
    sky = gradient([(0, (12, 16, 52)), (1, (42, 52, 112))], pixels)
    sky = _dots(sky, rng, 45, 0.85, [(255, 250, 205), (255, 255, 255)])
    return _hills(sky, rng, rng.uniform(0.86, 0.92), (14, 22, 34))


def paint_sunset(rng: Rng, pixels: int) -> Floats:
    sky = gradient([(0, (98, 62, 130)), (0.45, (236, 110, 80)), (0.85, (254, 206, 104))], pixels)
    x, y, r = rng.uniform(0.2, 0.8) * pixels, 0.76 * pixels, 0.11 * pixels
    sky = _drawn(sky, lambda pen: pen.ellipse((x - r, y - r, x + r, y + r), fill=(255, 238, 160)))
    return _hills(sky, rng, rng.uniform(0.8, 0.86), (72, 40, 58))


def paint_sea(rng: Rng, pixels: int) -> Floats:
    horizon = rng.uniform(0.3, 0.4)
    picture = _clouds(_sky(rng, pixels), rng, 2, horizon * 0.7)
    picture = _hills(picture, rng, horizon, (36, 112, 190), swing=0.0, shade=0.62)

    def waves(pen: ImageDraw.ImageDraw) -> None:
        for _ in range(26):
            x, y = rng.uniform(-0.1, 1), rng.uniform(horizon + 0.03, 1)
            w = rng.uniform(0.05, 0.14) * (0.4 + y)
            box = [v * pixels for v in (x, y, x + w, y + 0.025)]
            pen.arc(box, 200, 340, fill=(190, 226, 250, 190), width=max(1, pixels // 100))

    return _drawn(picture, waves)


def paint_beach(rng: Rng, pixels: int) -> Floats:
    horizon = rng.uniform(0.3, 0.38)
    picture = _clouds(_sky(rng, pixels), rng, 2, horizon * 0.7)
    picture = _hills(picture, rng, horizon, (44, 150, 206), swing=0.0, shade=1.1)
    shore = rng.uniform(0.54, 0.6)
    picture = _hills(picture, rng, shore - 0.02, (236, 248, 252), swing=0.02)
    sand = _hills(picture, rng, shore, (240, 214, 150), swing=0.02, shade=0.9)

    def shells(pen: ImageDraw.ImageDraw) -> None:
        for _ in range(24):
            x, y = rng.uniform(0, 1), rng.uniform(shore + 0.06, 1)
            r = 0.004 + 0.004 * y
            box = [v * pixels for v in (x - r, y - r, x + r, y + r)]
            pen.ellipse(box, fill=(206, 176, 118))

    return _drawn(sand, shells)


def paint_meadow(rng: Rng, pixels: int) -> Floats:
    horizon = rng.uniform(0.48, 0.58)
    picture = _clouds(_sky(rng, pixels), rng, 3, horizon * 0.6)
    picture = _hills(picture, rng, horizon, (110, 186, 74), shade=0.7)

    def flowers(pen: ImageDraw.ImageDraw) -> None:
        colours = [(255, 255, 255), (250, 220, 70), (246, 130, 160)]
        for _ in range(22):
            x, y = rng.uniform(0, 1), rng.uniform(horizon + 0.08, 1)
            r = 0.006 + 0.008 * y
            fill = colours[int(rng.integers(3))]
            pen.ellipse([v * pixels for v in (x - r, y - r, x + r, y + r)], fill=fill)

    return _drawn(picture, flowers)


def paint_forest(rng: Rng, pixels: int) -> Floats:
    picture = gradient([(0, (22, 70, 40)), (0.7, (66, 124, 66)), (1, (46, 86, 44))], pixels)

    def trees(pen: ImageDraw.ImageDraw) -> None:
        for layer in range(2):
            for x in np.arange(-0.05, 1.1, 0.13) + rng.uniform(-0.05, 0.05):
                x, w = x + rng.uniform(-0.03, 0.03), 0.018 + 0.012 * layer
                brown = (78 - 18 * layer, 56 - 12 * layer, 38 - 8 * layer)
                pen.rectangle([v * pixels for v in (x - w, 0.1, x + w, 0.82)], fill=brown)
                for _ in range(3):
                    cx, cy = x + rng.normal(0, 0.04), rng.uniform(-0.02, 0.3)
                    r = rng.uniform(0.07, 0.12)
                    green = tuple(int(v) for v in np.array((30, 92, 44)) + rng.integers(-14, 26, 3))
                    pen.ellipse([v * pixels for v in (cx - r, cy - r, cx + r, cy + r)], fill=green)

    return _hills(_drawn(picture, trees), rng, 0.8, (62, 104, 48), swing=0.015)


def paint_snow(rng: Rng, pixels: int) -> Floats:
    sky = gradient([(0, (166, 188, 214)), (1, (216, 226, 238))], pixels)
    picture = _hills(sky, rng, rng.uniform(0.5, 0.6), (246, 249, 253), shade=0.93)
    return _dots(picture, rng, 60, 1.0, [(255, 255, 255)])


def paint_desert(rng: Rng, pixels: int) -> Floats:
    sky = gradient([(0, (108, 178, 232)), (0.55, (246, 226, 186))], pixels)
    picture = _hills(sky, rng, rng.uniform(0.46, 0.54), (226, 174, 96), swing=0.05, shade=0.9)
    return _hills(picture, rng, rng.uniform(0.66, 0.74), (206, 148, 72), swing=0.05, shade=0.85)


def paint_space(rng: Rng, pixels: int) -> Floats:
    picture = gradient([(0, (6, 4, 14)), (1, (10, 6, 22))], pixels)
    axes = np.linspace(0, 1, pixels)
    for rgb in ((96, 34, 128), (30, 56, 128)):
        x, y, s = rng.uniform(0.1, 0.9), rng.uniform(0.1, 0.9), rng.uniform(0.16, 0.28)
        glow = np.exp(-((axes[None] - x) ** 2 + (axes[:, None] - y) ** 2) / (2 * s * s))
        picture = picture + glow[..., None] * np.asarray(rgb) * 0.8
    stars: list[RGB] = [(255, 255, 255), (180, 205, 255), (255, 214, 176)]
    return _dots(picture.astype(np.float32), rng, 90, 1.0, stars)


def paint_city(rng: Rng, pixels: int) -> Floats:
    picture = gradient([(0, (150, 186, 216)), (0.8, (222, 226, 228))], pixels)

    def street(pen: ImageDraw.ImageDraw) -> None:
        x = -0.05
        while x < 1:
            w, top = rng.uniform(0.12, 0.2), rng.uniform(0.12, 0.42)
            level = int(rng.integers(84, 150))
            wall = (level, level, level + 12)
            pen.rectangle([v * pixels for v in (x, top, x + w, 0.8)], fill=wall)
            for wy in np.arange(top + 0.04, 0.74, 0.08):
                for wx in np.arange(x + 0.025, x + w - 0.03, 0.05):
                    lit = (250, 226, 140) if rng.random() < 0.35 else (206, 222, 234)
                    pen.rectangle([v * pixels for v in (wx, wy, wx + 0.026, wy + 0.038)], fill=lit)
            x += w + rng.uniform(0, 0.015)
        pen.rectangle([0, 0.8 * pixels, pixels, pixels], fill=(84, 86, 92))
        for wx in np.arange(-0.05, 1, 0.2):
            line = [v * pixels for v in (wx, 0.89, wx + 0.1, 0.905)]
            pen.rectangle(line, fill=(232, 226, 190))

    return _drawn(picture, street)


def paint_room(rng: Rng, pixels: int) -> Floats:
    wall: RGB = (236 + rng.uniform(-8, 6), 220 + rng.uniform(-8, 6), 192)
    picture = gradient([(0, wall), (1, wall)], pixels)

    def furnish(pen: ImageDraw.ImageDraw) -> None:
        pen.rectangle([0, 0.72 * pixels, pixels, pixels], fill=(170, 116, 70))
        for y in (0.72, 0.8, 0.9):
            pen.rectangle([0, y * pixels, pixels, (y + 0.012) * pixels], fill=(136, 90, 54))
        x, y = rng.choice([0.06, 0.66]), 0.1
        frame = [v * pixels for v in (x, y, x + 0.28, y + 0.32)]
        glass = [v * pixels for v in (x + 0.02, y + 0.02, x + 0.26, y + 0.3)]
        pen.rectangle(frame, fill=(250, 250, 246))
        pen.rectangle(glass, fill=(156, 208, 242))
        cross = [v * pixels for v in (x + 0.13, y, x + 0.15, y + 0.32)]
        pen.rectangle(cross, fill=(250, 250, 246))

    return _drawn(picture, furnish)


def paint_rain(rng: Rng, pixels: int) -> Floats:
    picture = gradient([(0, (92, 102, 116)), (1, (142, 152, 162))], pixels)
    picture = _clouds(picture, rng, 5, 0.14, grey=74)
    picture = _hills(picture, rng, rng.uniform(0.84, 0.88), (74, 84, 84), swing=0.01)
    return _rainfall(picture, rng)


def _rainfall(picture: Floats, rng: Rng) -> Floats:
    pixels = len(picture)

    def drops(pen: ImageDraw.ImageDraw) -> None:
        for _ in range(80):
            x, y, length = rng.uniform(-0.05, 1), rng.uniform(-0.05, 1), rng.uniform(0.04, 0.08)
            line = [v * pixels for v in (x, y, x - 0.3 * length, y + length)]
            pen.line(line, fill=(206, 222, 238, 200), width=max(1, pixels // 110))

    return _drawn(picture, drops)


def paint_table(rng: Rng, pixels: int) -> Floats:
    wall: RGB = (206 + rng.uniform(-10, 10), 222, 214 + rng.uniform(-10, 10))
    picture = gradient([(0, wall), (1, wall)], pixels)
    top, wood = rng.uniform(0.6, 0.66), (186.0, 122.0, 66.0)

    def table(pen: ImageDraw.ImageDraw) -> None:
        board = tuple(int(v) for v in wood)
        edge = tuple(int(0.72 * v) for v in wood)
        left, right = 0.04, 0.96
        pen.polygon(
            [v * pixels for v in (left + 0.08, top, right - 0.08, top, right, 0.9, left, 0.9)],
            fill=board,
        )
        pen.rectangle([v * pixels for v in (left, 0.9, right, 0.945)], fill=edge)
        for x in (left + 0.03, right - 0.09):
            pen.rectangle([v * pixels for v in (x, 0.945, x + 0.06, 1)], fill=edge)
        for y in (0.3, 0.65):
            at = top + (0.9 - top) * y
            line = [v * pixels for v in (left + 0.09 * (1 - y), at, right - 0.09 * (1 - y), at)]
            pen.line(line, fill=edge, width=max(1, pixels // 128))

    return _drawn(picture, table)


def paint_moon(rng: Rng, pixels: int) -> Floats:
    sky = gradient([(0, (4, 4, 12)), (1, (12, 12, 26))], pixels)
    sky = _dots(sky, rng, 40, 0.6, [(255, 255, 255), (200, 214, 255)])
    x, y, r = rng.uniform(0.1, 0.9), rng.uniform(0.1, 0.2), 0.07

    def earth(pen: ImageDraw.ImageDraw) -> None:
        pen.ellipse([v * pixels for v in (x - r, y - r, x + r, y + r)], fill=(60, 128, 220))
        for dx, dy, s in ((-0.02, -0.02, 0.025), (0.025, 0.02, 0.02)):
            box = (x + dx - s, y + dy - s, x + dx + s, y + dy + s)
            pen.ellipse([v * pixels for v in box], fill=(96, 178, 98))

    horizon = rng.uniform(0.54, 0.6)
    ground = _hills(_drawn(sky, earth), rng, horizon, (186, 186, 192), swing=0.02, shade=0.72)

    def craters(pen: ImageDraw.ImageDraw) -> None:
        for _ in range(9):
            cx, cy = rng.uniform(0, 1), rng.uniform(horizon + 0.08, 1)
            w = rng.uniform(0.03, 0.07) * (0.4 + cy)
            h = 0.4 * w
            pen.ellipse(
                [v * pixels for v in (cx - w, cy - h, cx + w, cy + h)], fill=(206, 206, 212)
            )
            box = (cx - 0.85 * w, cy - 0.6 * h, cx + 0.85 * w, cy + 0.85 * h)
            pen.ellipse([v * pixels for v in box], fill=(126, 126, 134))

    return _drawn(ground, craters)


def _is_sky(picture: Floats) -> Floats:
    """Where the sky of a place by day is seen, 0 or 1, shape (pixels, pixels, 1).

    It reaches from the top down to the first thing that is not as bright and as pale.
    """
    pale = (picture[..., 0] > 76) & (picture[..., 1] > 158) & (picture[..., 2] > 150)
    return np.minimum.accumulate(pale.astype(np.float32), axis=0)[..., None]


def _horizon(sky: Floats) -> float:
    """Where most of a sky ends, as a fraction from the top."""
    return float(np.median(sky.sum(0))) / len(sky)


def light_night(picture: Floats, rng: Rng) -> Floats:
    """Dark and blue, under stars; windows that are lit stay so."""
    pixels, sky = len(picture), _is_sky(picture)
    above = gradient([(0, (10, 14, 46)), (1, (44, 54, 116))], pixels)
    above = _dots(above, rng, 45, 0.6, [(255, 250, 205), (255, 255, 255)])
    dark = picture * np.asarray((0.26, 0.31, 0.5), np.float32)
    red, green, blue = picture[..., 0], picture[..., 1], picture[..., 2]
    lit = (red > 244) & (green > 200) & (blue > 100) & (blue < 170)
    dark = np.where(lit[..., None], picture, dark)
    return (dark * (1 - sky) + above * sky).astype(np.float32)


def light_sunset(picture: Floats, rng: Rng) -> Floats:
    """Under a red sky with a low sun; what is on the ground is warm and darker."""
    pixels, sky = len(picture), _is_sky(picture)
    height = max(_horizon(sky), 0.3)
    stops = [(0, (98, 62, 130)), (0.55 * height, (236, 110, 80)), (height, (254, 206, 104))]
    above = gradient(stops, pixels)
    r = 0.11 * pixels
    x, y = rng.uniform(0.2, 0.8) * pixels, (height - 0.05) * pixels
    above = _drawn(
        above, lambda pen: pen.ellipse((x - r, y - r, x + r, y + r), fill=(255, 238, 160))
    )
    light = picture @ np.asarray((0.3, 0.59, 0.11), np.float32)
    glow = light[..., None] / 255 * np.asarray((255, 150, 96), np.float32)
    warm = 0.45 * picture * np.asarray((1.0, 0.6, 0.5), np.float32) + 0.5 * glow
    warm = warm + np.asarray((44, 14, 22), np.float32)
    return (warm * (1 - sky) + above * sky).astype(np.float32)


def light_snow(picture: Floats, rng: Rng) -> Floats:
    """What is green and what lies low is white, under a pale sky, and snow falls."""
    pixels, sky = len(picture), _is_sky(picture)
    red, green, blue = picture[..., 0], picture[..., 1], picture[..., 2]
    grows = (green > red + 4) & (green > blue)
    rows = np.arange(pixels)[:, None] / pixels
    white = grows * 0.82 + ((rows > 0.8) & ~grows) * 0.92
    cover = np.asarray((240, 245, 252), np.float32)
    shaded = cover * (0.8 + 0.2 * np.clip(green / 150, 0, 1)[..., None])
    snowy = picture + (shaded - picture) * white[..., None]
    pale = gradient([(0, (166, 188, 214)), (1, (216, 226, 238))], pixels)
    snowy = snowy * (1 - sky) + pale * sky
    return _dots(snowy.astype(np.float32), rng, 70, 1.0, [(255, 255, 255)])


def light_rain(picture: Floats, rng: Rng) -> Floats:
    """Grey and dark, under clouds, and rain falls."""
    pixels, sky = len(picture), _is_sky(picture)
    light = (picture @ np.asarray((0.3, 0.59, 0.11), np.float32))[..., None]
    grey = (0.5 * picture + 0.5 * light) * np.asarray((0.58, 0.62, 0.68), np.float32)
    above = gradient([(0, (92, 102, 116)), (1, (142, 152, 162))], pixels)
    above = _clouds(above, rng, 5, 0.14, grey=74)
    return _rainfall((grey * (1 - sky) + above * sky).astype(np.float32), rng)
