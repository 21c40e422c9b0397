"""JPEG: EXIF, XMP and comments, up to where the pixels begin."""

import struct
from collections.abc import Iterator
from typing import BinaryIO

from kakusan.images.carriers.encodings import text_of
from kakusan.images.carriers.texts import LONGEST, Texts

SIGNATURE = b"\xff\xd8\xff"
OURS = b"kakusan:"  # begins each comment that holds a piece of kakusan's record
_APP1, _COMMENT, _SCAN, _END = 0xE1, 0xFE, 0xDA, 0xD9
_ALONE = {0x01, *range(0xD0, 0xD9)}  # markers without a length
_EXIF, _XMP = b"Exif\0", b"http://ns.adobe.com/xap/1.0/\0"
_MORE_XMP = b"http://ns.adobe.com/xmp/extension/\0"
_MOST_SEGMENTS = 100_000


def read_jpeg(file: BinaryIO, texts: Texts) -> None:
    """Read the segments that hold texts."""
    ours: list[bytes] = []
    extended: dict[bytes, bytearray] = {}
    for marker, data in _segments(file):
        if marker == _COMMENT and data.startswith(OURS):
            ours.append(data.removeprefix(OURS))
        elif marker == _COMMENT:
            texts.add("jpeg", "comment", text_of(data))
        elif data.startswith(_EXIF):
            texts.add_block("exif", data)
        elif data.startswith(_XMP):
            texts.add_block("xmp", data.removeprefix(_XMP))
        elif data.startswith(_MORE_XMP) and len(data) > len(_MORE_XMP) + 40:
            _extend(extended, data.removeprefix(_MORE_XMP))
    if ours:
        texts.add("jpeg", "kakusan", b"".join(ours).decode("ascii", "replace"))
    for packet in extended.values():
        texts.add_block("xmp", bytes(packet))


def _segments(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    file.seek(2)
    for _ in range(_MOST_SEGMENTS):
        if file.read(1) != b"\xff":
            return
        marker = b"\xff"
        while marker == b"\xff":  # fill bytes
            marker = file.read(1)
        code = marker[0] if marker else _END
        if code in _ALONE:
            continue
        length = file.read(2)
        if code in (_SCAN, _END) or len(length) < 2:
            return
        size = max(struct.unpack(">H", length)[0] - 2, 0)
        if code in (_APP1, _COMMENT):
            yield code, file.read(size)
        else:
            file.seek(size, 1)


def _extend(extended: dict[bytes, bytearray], data: bytes) -> None:
    """XMP that does not fit into one segment: an id, the whole length, an offset, a piece."""
    (offset,) = struct.unpack_from(">I", data, 36)
    whole = extended.setdefault(data[:32], bytearray()) if len(extended) < 8 else bytearray()
    if offset == len(whole) and len(whole) < LONGEST:
        whole += data[40:]
