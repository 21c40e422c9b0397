"""GIF: comments, which AUTOMATIC1111 writes its text into."""

from typing import BinaryIO

from kakusan.images.carriers.encodings import text_of
from kakusan.images.carriers.texts import LONGEST, Texts

SIGNATURES = (b"GIF87a", b"GIF89a")
_EXTENSION, _IMAGE, _COMMENT = 0x21, 0x2C, 0xFE
_MOST_BLOCKS = 500_000


def read_gif(file: BinaryIO, texts: Texts) -> None:
    """Read the comments between the pictures."""
    file.seek(10)
    _skip_table(file, file.read(3)[:1])
    left = _MOST_BLOCKS
    while left > 0:
        kind = file.read(1)
        if kind == bytes([_EXTENSION]):
            comment = file.read(1) == bytes([_COMMENT])
            data, left = _blocks(file, left, keep=comment)
            if comment:
                texts.add("gif", "comment", text_of(data))
        elif kind == bytes([_IMAGE]):
            _skip_table(file, file.read(9)[8:])
            file.seek(1, 1)
            _, left = _blocks(file, left, keep=False)
        else:
            return


def _skip_table(file: BinaryIO, packed: bytes) -> None:
    """A table of colours follows where the first bit says so."""
    if packed and packed[0] & 0x80:
        file.seek(3 * 2 ** ((packed[0] & 7) + 1), 1)


def _blocks(file: BinaryIO, left: int, *, keep: bool) -> tuple[bytes, int]:
    """Blocks of up to 255 bytes up to an empty one, and how many more may be read."""
    data = bytearray()
    while left > 0:
        size = file.read(1)
        left -= 1
        if size in (b"", b"\0"):
            break
        if keep and len(data) < LONGEST:
            data += file.read(size[0])
        else:
            file.seek(size[0], 1)
    return bytes(data), left
