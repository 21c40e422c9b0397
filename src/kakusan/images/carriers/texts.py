"""The texts that a picture's file carries beside its pixels, under where they stood.

    png:KEY             a text chunk's keyword
    exif:NAME           a tag, such as exif:UserComment
    xmp:NAME            a property without its prefix, such as xmp:UserComment
    jpeg:comment, gif:comment
    stealth:KEY         the lowest bits of pixels

What cannot be read is remembered, and fails nothing.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

LONGEST = 2**25  # bytes of one text, unpacked
_MOST_CHARACTERS = 2**26  # of all texts of a file
_MOST_TEXTS = 2000
_MOST_BLOCKS, _MOST_BYTES_OF_BLOCKS = 16, 2**26  # of EXIF and XMP
_LONGEST_KEY = 200


@dataclass
class Texts:
    """The texts of one file, in the order in which they stand there."""

    found: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    broken: dict[str, str] = field(default_factory=dict[str, str])
    blocks: list[tuple[str, bytes]] = field(default_factory=list[tuple[str, bytes]])
    size: tuple[int, int] | None = None  # of a PNG
    _characters: int = 0

    def add(self, carrier: str, key: str, text: str | None) -> None:
        """Keep a text; None is one that is in no known encoding."""
        where = f"{carrier}:{_shortened(key)}"
        if text is None:
            self.fail(where, "is not readable text")
        elif len(self.found) >= _MOST_TEXTS:
            self.fail("others", f"beyond the first {_MOST_TEXTS} texts are not read")
        elif len(text) > LONGEST or self._characters + len(text) > _MOST_CHARACTERS:
            self.fail(where, f"has {len(text)} characters, and is too long to be read")
        elif text.strip("\0 \t\r\n"):
            self._characters += len(text)
            self.found.append((where, text))

    def add_block(self, kind: str, data: bytes) -> None:
        """Keep a block of "exif" or "xmp", to be read later."""
        held = sum(len(block) for _, block in self.blocks)
        if len(self.blocks) < _MOST_BLOCKS and held + len(data) <= _MOST_BYTES_OF_BLOCKS:
            self.blocks.append((kind, data))
        else:
            self.fail(kind, "is too long to be read")

    def fail(self, where: str, why: str) -> None:
        if len(self.broken) < _MOST_TEXTS:
            self.broken.setdefault(where, why)

    def get(self, where: str) -> str | None:
        """The last text that stood there, which is the one that other readers take."""
        return next((text for place, text in reversed(self.found) if place == where), None)

    def all(self, where: str) -> Iterator[str]:
        return (text for place, text in self.found if place == where)

    def by_place(self) -> dict[str, str]:
        return dict(self.found)


def _shortened(key: str) -> str:
    plain = key.strip("\0 ")
    return plain if len(plain) <= _LONGEST_KEY else f"{plain[: _LONGEST_KEY - 3]}..."


def unpacked(data: bytes, *, gzip: bool = False) -> bytes | None:
    """What zlib, or gzip, packed; None where that is broken or longer than `LONGEST`.

    A stream that is cut off gives what there is of it.
    """
    reader = zlib.decompressobj(31 if gzip else 15)
    try:
        plain = reader.decompress(data, LONGEST)
    except zlib.error:
        return None
    return None if reader.unconsumed_tail else plain
