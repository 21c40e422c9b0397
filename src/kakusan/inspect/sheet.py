"""Pictures in rows and columns with words beside them."""

import functools
from collections.abc import Sequence
from typing import Any

from PIL import Image, ImageDraw, ImageFont, ImageOps

INK, GROUND = (31, 35, 40), (255, 255, 255)
GAP, TEXT = 6, 14  # pixels
SMALLEST = 96  # the least side of a cell
# Usual fonts with Japanese in them; Pillow looks for these names where the system keeps its fonts
JAPANESE = (
    "NotoSansCJK-Regular.ttc",
    "NotoSansCJKjp-Regular.otf",
    "NotoSansJP-Regular.ttf",
    "NotoSansJP-VF.ttf",
    "ipaexg.ttf",
    "ipag.ttf",
    "TakaoGothic.ttf",
    "DroidSansFallbackFull.ttf",
    "ヒラギノ角ゴシック W3.ttc",
    "Hiragino Sans GB.ttc",
    "YuGothM.ttc",
    "meiryo.ttc",
    "msgothic.ttc",
)

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@functools.cache
def _fonts() -> tuple[Font, ...]:
    found: list[Font] = [ImageFont.load_default(TEXT)]
    for name in JAPANESE:
        try:
            found.append(ImageFont.truetype(name, TEXT))
        except OSError:
            continue
        break
    return tuple(found)


def _has(font: Font, text: str) -> bool:
    missing = _shape(font, "\U0010fffe")
    return all(_shape(font, each) != missing for each in text if not each.isspace())


def _shape(font: Font, character: str) -> bytes:
    mask: Any = font.getmask(character)
    return bytes(mask)


def font_for(text: str) -> Font:
    """A font that has every character of a text, or the plain one where there is none."""
    fonts = _fonts()
    return next((font for font in fonts if _has(font, text)), fonts[0])


def can_write(text: str) -> bool:
    """Whether a font of this machine has every character of a text."""
    return any(_has(font, text) for font in _fonts())


def font_file(text: str) -> str | None:
    """Where the font for a text lies, for those who open it themselves; None for the plain one."""
    path = getattr(font_for(text), "path", None)
    return path if isinstance(path, str) else None


def width_of(text: str) -> int:
    """Of a label, in pixels."""
    return int(font_for(text).getlength(text) + 0.999)


def _cut(text: str, room: int) -> str:
    if width_of(text) <= room:
        return text
    while text and width_of(text + "…") > room:
        text = text[:-1]
    return text + "…"


def enlarged(image: Image.Image, smallest: int = SMALLEST) -> Image.Image:
    """A picture whose shorter side has at least so many pixels; its own pixels stay sharp."""
    factor = -(-smallest // min(image.size))
    if factor <= 1:
        return image
    return image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)


def sheet(
    pictures: Sequence[Sequence[Image.Image]],
    *,
    columns: Sequence[str] = (),
    rows: Sequence[str] = (),
    captions: Sequence[Sequence[str]] = (),
    title: str = "",
) -> Image.Image:
    """Pictures in rows, on white.

    Args:
        pictures: of each row; smaller ones are enlarged to the largest.
        columns: above them.
        rows: left of them.
        captions: under each picture, cut where they are wider.
        title: above everything.
    """
    cells = [[enlarged(each.convert("RGB")) for each in row] for row in pictures]
    wide, high = (max(each.size[axis] for row in cells for each in row) for axis in (0, 1))
    cells = [[ImageOps.pad(each, (wide, high), color=GROUND) for each in row] for row in cells]
    line = TEXT + GAP
    left = max((width_of(name) + 2 * GAP for name in rows), default=GAP)
    top = GAP + (line if title else 0) + (line if columns else 0)
    pitch = high + GAP + (line if captions else 0)
    count = max(len(row) for row in cells)
    width = max(left + count * (wide + GAP), width_of(title) + 2 * GAP)
    page = Image.new("RGB", (width, top + len(cells) * pitch), GROUND)
    pen = ImageDraw.Draw(page)

    def write(x: int, y: int, text: str, anchor: str) -> None:
        pen.text((x, y), text, fill=INK, font=font_for(text), anchor=anchor)

    if title:
        write(GAP, GAP, title, "la")
    for column, name in enumerate(columns):
        write(left + column * (wide + GAP) + wide // 2, top - line, _cut(name, wide), "ma")
    for row, images in enumerate(cells):
        y = top + row * pitch
        if row < len(rows):
            write(left - GAP, y + high // 2, rows[row], "rm")
        for column, image in enumerate(images):
            x = left + column * (wide + GAP)
            page.paste(image, (x, y))
            if captions:
                write(x + wide // 2, y + high + 2, _cut(captions[row][column], wide), "ma")
    return page


def in_rows(
    pictures: Sequence[Image.Image], captions: Sequence[str], length: int, *, title: str
) -> Image.Image:
    """Pictures with a caption each, in as many rows of `length` as that takes."""
    rows = [slice(i, i + length) for i in range(0, len(pictures), length)]
    return sheet(
        [pictures[row] for row in rows], captions=[captions[row] for row in rows], title=title
    )
