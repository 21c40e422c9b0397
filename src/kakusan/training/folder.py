"""A folder of pictures with captions, in the two forms that are usual in the field.

Either a `metadata.jsonl` whose lines have `file_name` and `text`, or a `.txt` beside each picture.
"""

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from kakusan.errors import InputError
from kakusan.images import open_picture

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp"})
FORMATS = ("PNG", "JPEG", "WEBP", "BMP")
# Captions that a mirrored picture would contradict: sides, and anything with letters in it
_SIDED = re.compile(
    r"\b(left|right|text|letters?|words?|sign|logo)\b|左|右|文字|看板", re.IGNORECASE
)


@dataclass(frozen=True)
class Example:
    """One picture and its caption."""

    path: Path
    text: str


class PictureFolder:
    """Pictures to learn from, each as a square of the same size.

    Args:
        folder: with pictures and captions.
        pixels: side of the squares.
        strict: Whether anything that cannot be used is an error, and not named and skipped.
        flip: Whether pictures may be mirrored, where their caption allows it.

    Raises:
        InputError: There is no picture that can be used; or, with `strict`, one cannot.
    """

    def __init__(
        self, folder: Path, pixels: int, *, strict: bool = False, flip: bool = True
    ) -> None:
        if not folder.is_dir():
            raise InputError(f"{folder} is no folder; name one with pictures and their captions.")
        self.pixels = pixels
        self.flip = flip
        self._strict = strict
        index = folder / "metadata.jsonl"
        found = self._listed(index) if index.is_file() else self._beside(folder)
        self.examples = [example for example in found if self._usable(example)]
        if not self.examples:
            raise InputError(
                f"{folder} has no picture with a caption: put a .txt beside each picture, or a "
                "metadata.jsonl whose lines have file_name and text."
            )

    def __len__(self) -> int:
        return len(self.examples)

    def square(self, index: int, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
        """A picture as uint8 (pixels, pixels, 3): its shorter side fitted, cropped at random."""
        example = self.examples[index]
        picture = _opened(example.path, near=2 * self.pixels).convert("RGB")
        ratio = self.pixels / min(picture.size)
        width, height = (max(self.pixels, round(side * ratio)) for side in picture.size)
        picture = picture.resize((width, height), Image.Resampling.LANCZOS)
        left = int(rng.integers(width - self.pixels + 1))
        top = int(rng.integers(height - self.pixels + 1))
        picture = picture.crop((left, top, left + self.pixels, top + self.pixels))
        if self.flip and not _SIDED.search(example.text) and rng.random() < 0.5:
            picture = ImageOps.mirror(picture)
        return np.asarray(picture)

    def draw(self, rng: np.random.Generator, count: int) -> npt.NDArray[np.uint8]:
        """So many pictures chosen at random, uint8 (count, pixels, pixels, 3)."""
        chosen = rng.integers(len(self), size=count)
        return np.stack([self.square(int(index), rng) for index in chosen])

    def caption(self, index: int, _rng: np.random.Generator) -> str:
        """The caption of a picture."""
        return self.examples[index].text

    def _refuse(self, why: str) -> None:
        if self._strict:
            raise InputError(why)
        print(f"skipped: {why}", file=sys.stderr)

    def _text(self, path: Path) -> str | None:
        try:
            return path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            self._refuse(f"{path} is not UTF-8 (byte {error.start}); save it as UTF-8.")
        except OSError as error:
            self._refuse(f"{path} cannot be read: {error.strerror}.")
        return None

    def _listed(self, index: Path) -> list[Example]:
        found: list[Example] = []
        for number, line in enumerate((self._text(index) or "").splitlines(), 1):
            if not line.strip():
                continue
            try:
                entry = json.loads(line)
                name, text = entry["file_name"], entry["text"]
                path = (index.parent / name).resolve()
            except (ValueError, KeyError, TypeError):
                self._refuse(f"{index}, line {number} has no file_name and text in JSON.")
                continue
            if not path.is_relative_to(index.parent.resolve()):
                self._refuse(f"{index}, line {number} names a file outside of its folder.")
            else:
                found.append(Example(path, str(text).strip()))
        return found

    def _beside(self, folder: Path) -> list[Example]:
        found: list[Example] = []
        for path in sorted(folder.iterdir()):
            if path.suffix.casefold() not in SUFFIXES:
                continue
            caption = path.with_suffix(".txt")
            if not caption.is_file():
                self._refuse(f"{path} has no {caption.name} beside it.")
            elif (text := self._text(caption)) is not None:
                found.append(Example(path, text.strip()))
        return found

    def _usable(self, example: Example) -> bool:
        try:
            _opened(example.path)
        except InputError as error:
            self._refuse(str(error))
            return False
        return True


def _opened(path: Path, near: int | None = None) -> Image.Image:
    return open_picture(path, formats=FORMATS, upright=True, near=near)
