"""Writing EXIF: Pillow gives a comment's bytes a type in which other readers expect numbers."""

import struct

from kakusan.images.exif import DESCRIPTION, EXIF_IFD, USER_COMMENT

_ASCII, _LONG, _UNDEFINED = 2, 4, 7  # TIFF 6.0 section 2
_UTF16 = b"UNICODE\0"  # EXIF 2.32, table 9: how a UserComment says what follows
_ENTRY, _START = 12, 8


def exif_block(description: str, comment: str) -> bytes:
    """A block with an ImageDescription, and a UserComment where there is one.

    Args:
        description: In ASCII.
        comment: Any text; it is written as UTF-16, as AUTOMATIC1111 does.
    """
    first = [(DESCRIPTION, _ASCII, description.encode("ascii") + b"\0")]
    if not comment:
        return b"Exif\0\0" + _head() + _directory(first, _START)
    inner = [(USER_COMMENT, _UNDEFINED, _UTF16 + comment.encode("utf-16-be"))]
    size = len(_directory([*first, (EXIF_IFD, _LONG, bytes(4))], _START))
    pointer = (EXIF_IFD, _LONG, struct.pack(">I", _START + size))
    outer = _directory([*first, pointer], _START)
    return b"Exif\0\0" + _head() + outer + _directory(inner, _START + size)


def _head() -> bytes:
    return b"MM\0*" + struct.pack(">I", _START)


def _directory(entries: list[tuple[int, int, bytes]], at: int) -> bytes:
    """A directory that stands `at` these bytes after the block's beginning, and its values."""
    table, values = bytearray(struct.pack(">H", len(entries))), bytearray()
    behind = at + 2 + _ENTRY * len(entries) + 4
    for tag, kind, value in entries:
        count = len(value) // (4 if kind == _LONG else 1)
        place = value.ljust(4, b"\0")
        if len(value) > 4:
            place = struct.pack(">I", behind + len(values))
            values += value + bytes(len(value) % 2)  # values begin at even places
        table += struct.pack(">HHI", tag, kind, count) + place
    return bytes(table + bytes(4) + values)
