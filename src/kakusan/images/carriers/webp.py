"""WebP: EXIF and XMP, wherever in the file they stand."""

import struct
from typing import BinaryIO

from kakusan.images.carriers.texts import LONGEST, Texts

_MOST_CHUNKS = 100_000  # an animation has several for each picture


def read_webp(file: BinaryIO, texts: Texts) -> None:
    """Read the chunks that hold texts."""
    kept = {b"EXIF": "exif", b"XMP ": "xmp"}
    file.seek(12)
    for _ in range(_MOST_CHUNKS):
        head = file.read(8)
        if len(head) < 8:
            return
        kind, length = struct.unpack("<4sI", head)
        if kind in kept and length <= LONGEST:
            texts.add_block(kept[kind], file.read(length))
        else:
            if kind in kept:
                texts.fail(kept[kind], f"has {length} bytes, and is too long to be read")
            file.seek(length, 1)
        file.seek(length % 2, 1)
