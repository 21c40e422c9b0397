"""The texts in EXIF, which tools write in many ways.

Read from the bytes, not through Pillow, which decodes some of them before anybody can look.
"""

import codecs
import struct
import unicodedata
from collections.abc import Iterator

DESCRIPTION, ORIENTATION, EXIF_IFD, USER_COMMENT = 0x010E, 0x0112, 0x8769, 0x9286
# Bytes of one value of each type, TIFF 6.0 section 2
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
_CHARSET = 8  # bytes before a UserComment that name what follows: EXIF 2.32, table 9


def tag_values(exif: bytes) -> dict[int, list[bytes]]:
    """The raw values of each tag in IFD0 and in the Exif IFD, the latter's first."""
    tiff = exif.removeprefix(b"Exif\0\0")
    order = _ORDERS.get(tiff[:4])
    found: dict[int, list[bytes]] = {}
    if order is None or len(tiff) < 8:
        return found
    outer = dict(_entries(tiff, order, struct.unpack_from(f"{order}I", tiff, 4)[0]))
    pointer = outer.get(EXIF_IFD, b"")
    inner: dict[int, bytes] = {}
    if len(pointer) == 4:
        inner = dict(_entries(tiff, order, struct.unpack(f"{order}I", pointer)[0]))
    for values in (inner, outer):
        for tag, value in values.items():
            found.setdefault(tag, []).append(value)
    return found


def orientation(exif: bytes) -> int:
    """How the picture is to be turned, 1 (not at all) to 8."""
    order = "little" if b"II*\0" in exif[:10] else "big"
    for value in tag_values(exif).get(ORIENTATION, []):
        if len(value) == 2 and 1 <= int.from_bytes(value, order) <= 8:
            return int.from_bytes(value, order)
    return 1


def _entries(tiff: bytes, order: str, start: int) -> Iterator[tuple[int, bytes]]:
    """Tag and value of each entry of a directory that is wholly there."""
    if start + 2 > len(tiff):
        return
    (count,) = struct.unpack_from(f"{order}H", tiff, start)
    for at in range(start + 2, min(start + 2 + 12 * count, len(tiff) - 11), 12):
        tag, kind, length = struct.unpack_from(f"{order}HHI", tiff, at)
        size = _SIZES.get(kind, 0) * length
        place = at + 8
        if size > 4:
            (place,) = struct.unpack_from(f"{order}I", tiff, place)
        if size > 0 and place + size <= len(tiff):
            yield tag, tiff[place : place + size]


def comment_text(comment: bytes) -> str | None:
    """The text of a UserComment, whoever wrote it; None where it cannot be told.

    The standard's prefix may be there or not, and what follows may be in UTF-16 of either byte
    order, with a byte-order mark or without, or in UTF-8, whatever the prefix says.
    """
    name = comment[:_CHARSET].rstrip(b"\0 ").upper()
    named = name in (b"", b"ASCII", b"UNICODE", b"JIS") and len(comment) > _CHARSET
    body = comment[_CHARSET:] if named else comment
    if named and name == b"JIS" and b"\x1b" in body:
        return _whole(body, "iso2022_jp")
    for mark, encoding in (
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
    ):
        if body.startswith(mark):
            return _sound(_decoded(body.removeprefix(mark), encoding))
    encodings = ["utf-8", "utf-16-be", "utf-16-le"]
    if named and name == b"ASCII" and _decoded(body, "utf-8") is None:
        encodings[0] = "latin-1"
    readings = (_decoded(body, each) for each in encodings)
    best = max((each for each in readings if each is not None), key=_likeness, default=None)
    return _sound(best)


def _decoded(body: bytes, encoding: str) -> str | None:
    """The text, but for a character that the end cuts; None where it is of another encoding."""
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(body)
    except UnicodeDecodeError:
        return None
    text = text.strip("\0")
    return None if "\0" in text else text


def _whole(body: bytes, encoding: str) -> str | None:
    try:
        return _sound(body.decode(encoding))
    except UnicodeDecodeError:
        return None


def _likeness(text: str) -> int:
    """How much of it is Latin, which settings are written in, less what is no character."""
    latin = sum(" " <= c <= "~" or c in "\t\n\r" for c in text)
    return latin - sum(_odd(c) for c in text)


def _odd(character: str) -> bool:
    return character not in "\t\n\r" and unicodedata.category(character) in ("Cc", "Cn", "Co", "Cs")


def _sound(text: str | None) -> str | None:
    """The text, unless a tenth of it is no character."""
    if not text or sum(map(_odd, text)) * 10 > len(text):
        return None
    return text
