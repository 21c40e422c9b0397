"""A folder of pictures with captions, in the two forms that are usual in the field.

Either a `metadata.jsonl` whose lines have `file_name` and `text`, or a `.txt` beside each picture.
"""

import hashlib
import json
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from kakusan.checkpoints.regular import read_regular
from kakusan.errors import InputError, shown, shown_path
from kakusan.images import open_picture

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp"})
FORMATS = ("PNG", "JPEG", "WEBP", "BMP")
# Pictures by their names, which are told that they cannot be used
OTHERS = frozenset({".gif", ".tif", ".tiff", ".avif", ".heic", ".jxl", ".jfif", ".svg", ".psd"})
LONGEST_CAPTION = 10_000  # characters; text encoders read some 300
MOST_INDEX_BYTES = 2**28
MOST_TIMES_LONGER = 20  # one side than the other; of more than that a square shows nothing
TOLD = 20  # things that cannot be used; of more than these the number is told
_LINE_EVERY = 5.0  # seconds, while pictures are looked at
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
            raise InputError(
                f"{shown_path(folder)} is no folder; name one with pictures and their captions."
            )
        self.pixels = pixels
        self.flip = flip
        self._strict = strict
        self._refused = 0
        index = folder / "metadata.jsonl"
        # a pipe or a broken link of that name is an error, and not passed by
        has_index = index.exists() or index.is_symlink()
        found = list(self._listed(index) if has_index else self._beside(folder))
        self.examples = list(self._usable(found))
        if self._refused > TOLD:
            print(f"skipped: {self._refused - TOLD} more", file=sys.stderr)
        if not self.examples:
            raise InputError(
                f"{shown_path(folder)} has no picture with a caption: put a .txt beside each "
                "picture, or a metadata.jsonl whose lines have file_name and text."
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

    def fingerprint(self) -> str:
        """Twelve characters that tell these pictures and captions from others."""
        digest = hashlib.sha256()
        for example in self.examples:
            told = (example.path.name, example.path.stat().st_size, example.text)
            digest.update(repr(told).encode("utf-8", "surrogatepass"))
        return digest.hexdigest()[:12]

    def _refuse(self, why: str) -> None:
        if self._strict:
            raise InputError(why)
        self._refused += 1
        if self._refused <= TOLD:
            print(f"skipped: {why}", file=sys.stderr)

    def _caption(self, path: Path) -> str | None:
        try:
            text = _decoded(path, read_regular(path, most_bytes=4 * LONGEST_CAPTION))
        except InputError as error:
            self._refuse(str(error))
            return None
        return self._bounded(text, shown_path(path))

    def _bounded(self, text: str, where: str) -> str | None:
        """The caption, if it is no book."""
        if len(text) > LONGEST_CAPTION:
            self._refuse(
                f"{where} has a caption of {len(text)} characters; write one of at most "
                f"{LONGEST_CAPTION}."
            )
            return None
        return text.strip()

    def _listed(self, index: Path) -> Iterator[Example]:
        text = _decoded(index, read_regular(index, most_bytes=MOST_INDEX_BYTES))
        folder, seen = index.parent.resolve(), set[Path]()
        for number, line in enumerate(text.split("\n"), 1):
            if not line.strip():
                continue
            where = f"{shown_path(index)}, line {number}"
            entry = _entry(line)
            if entry is None:
                self._refuse(f"{where} has no file_name and text in JSON.")
                continue
            name, caption = entry
            try:
                path = (index.parent / name).resolve()
            except (OSError, ValueError, RuntimeError):  # too long, a NUL byte, a loop of links
                self._refuse(f"{where} names no file: {shown(name)}.")
                continue
            if not path.is_relative_to(folder):
                self._refuse(f"{where} names a file outside of its folder.")
            elif path in seen:
                self._refuse(f"{where} names {shown(name)} again; give a picture one line.")
            elif (bounded := self._bounded(caption, where)) is not None:
                seen.add(path)
                yield Example(path, bounded)

    def _beside(self, folder: Path) -> Iterator[Example]:
        try:
            paths = sorted(folder.iterdir())
        except OSError as error:
            raise InputError(f"{shown_path(folder)} cannot be read: {error.strerror}.") from None
        for path in paths:
            if path.suffix.casefold() in OTHERS:
                self._refuse(f"{shown_path(path)} is no PNG, JPEG, WebP or BMP; convert it.")
            if path.suffix.casefold() not in SUFFIXES:
                continue
            caption = path.with_suffix(".txt")
            if not (caption.exists() or caption.is_symlink()):
                self._refuse(f"{shown_path(path)} has no {shown_path(caption.name)} beside it.")
            elif (text := self._caption(caption)) is not None:
                yield Example(path, text)

    def _usable(self, examples: list[Example]) -> Iterator[Example]:
        """The examples whose pictures are whole; a long look tells how far it is."""
        told = time.monotonic()
        for number, example in enumerate(examples, 1):
            if time.monotonic() - told > _LINE_EVERY:
                told = time.monotonic()
                print(f"looked at {number} of {len(examples)} pictures", file=sys.stderr)
            try:
                shorter, longer = sorted(_opened(example.path, near=1).size)
            except InputError as error:
                self._refuse(str(error))
                continue
            if longer > MOST_TIMES_LONGER * shorter:
                self._refuse(
                    f"{shown_path(example.path)} has a side more than {MOST_TIMES_LONGER} times as "
                    "long as the other; crop it."
                )
            else:
                yield example


def _opened(path: Path, near: int) -> Image.Image:
    return open_picture(path, formats=FORMATS, upright=True, near=near)


def _decoded(path: Path, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        where = f"{shown_path(path)} is not UTF-8 (byte {error.start})"
        raise InputError(f"{where}; save it as UTF-8.") from None


def _entry(line: str) -> tuple[str, str] | None:
    """`file_name` and `text` of a line, if it has them."""
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(entry, dict):
        return None
    fields = cast(dict[str, object], entry)
    name, text = fields.get("file_name"), fields.get("text")
    return (name, text) if isinstance(name, str) and isinstance(text, str) else None
