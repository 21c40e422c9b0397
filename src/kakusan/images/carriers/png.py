"""PNG: text chunks before and behind the pixels, and EXIF. No pixel is decoded."""

import struct
from collections.abc import Iterator
from typing import BinaryIO

from kakusan.images.carriers.encodings import text_of
from kakusan.images.carriers.texts import LONGEST, Texts, unpacked

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_MOST_CHUNKS = 200_000
_WANTED = (b"tEXt", b"zTXt", b"iTXt", b"eXIf")


def read_png(file: BinaryIO, texts: Texts) -> None:
    """Read all chunks of text.

    Raises:
        EOFError: It has no header.
    """
    file.seek(len(SIGNATURE))
    kinds = {b"tEXt": _plain, b"zTXt": _packed, b"iTXt": _international}
    found = False
    for index, (kind, data) in enumerate(_chunks(file, texts)):
        if index == 0:
            if kind != b"IHDR" or len(data) < 13:
                raise EOFError
            texts.size = struct.unpack_from(">II", data)
            found = True
        elif kind == b"eXIf":
            texts.add_block("exif", data)
        elif kind in kinds:
            kinds[kind](data, texts)
    if not found:
        raise EOFError


def _chunks(file: BinaryIO, texts: Texts) -> Iterator[tuple[bytes, bytes]]:
    """The header and the chunks that are wanted, up to the end or to where the file is broken."""
    for index in range(_MOST_CHUNKS):
        head = file.read(8)
        if len(head) < 8:
            break
        length, kind = struct.unpack(">I4s", head)
        if kind == b"IEND" or not kind.isalpha():
            break
        if index and kind not in _WANTED:
            file.seek(length + 4, 1)
            continue
        if length > LONGEST:
            texts.fail(
                f"png:{_key(file.read(80))}", f"has {length} bytes, and is too long to be read"
            )
            file.seek(length + 4 - 80, 1)
            continue
        data = file.read(length)
        if len(data) < length:
            texts.fail(f"png:{_key(data)}", "is cut off")
            break
        yield kind, data
        file.seek(4, 1)  # the checksum: a wrong one is no reason to read less
    else:
        texts.fail("png", f"has more than {_MOST_CHUNKS} chunks")


def _key(data: bytes) -> str:
    return data[:80].split(b"\0")[0].decode("latin-1")


def _plain(data: bytes, texts: Texts) -> None:
    """Latin-1 by the standard; UTF-8 and UTF-16 are met."""
    key, _, text = data.partition(b"\0")
    texts.add("png", key.decode("latin-1"), text_of(text))


def _packed(data: bytes, texts: Texts) -> None:
    key, _, rest = data.partition(b"\0")
    name = key.decode("latin-1")
    text = unpacked(rest[1:])
    if text is None:
        texts.fail(f"png:{name}", f"is broken, or longer than {LONGEST} bytes when unpacked")
    elif name.casefold() in ("raw profile type exif", "raw profile type app1"):
        _raw_profile(text, texts)
    else:
        texts.add("png", name, text_of(text))


def _international(data: bytes, texts: Texts) -> None:
    """UTF-8: key, NUL, whether packed, how, language, NUL, translated key, NUL, text."""
    key, _, rest = data.partition(b"\0")
    parts = rest[2:].split(b"\0", 2)
    name = key.decode("latin-1")
    if len(parts) < 3:
        texts.fail(f"png:{name}", "is broken")
        return
    text = unpacked(parts[2]) if rest[0] else parts[2]
    if text is None:
        texts.fail(f"png:{name}", f"is broken, or longer than {LONGEST} bytes when unpacked")
    elif name == "XML:com.adobe.xmp":
        texts.add_block("xmp", text)
    else:
        texts.add("png", name, text_of(text))


def _raw_profile(text: bytes, texts: Texts) -> None:
    """EXIF as ImageMagick writes it: a name, a length, and hexadecimal digits."""
    _, _, digits = text.strip().partition(b"\n")
    _, _, digits = digits.strip().partition(b"\n")
    try:
        texts.add_block("exif", bytes.fromhex(digits.decode("ascii")))
    except ValueError:
        texts.fail("png:Raw profile type exif", "is broken")
