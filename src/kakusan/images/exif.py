"""The texts in EXIF, which tools write in many ways.

Read from the bytes, not through Pillow, which decodes some of them before anybody can look.
"""

import codecs
import struct
import unicodedata

DESCRIPTION, ORIENTATION, EXIF_IFD, USER_COMMENT = 0x010E, 0x0112, 0x8769, 0x9286
MAKER_NOTE, XMP_PACKET = 0x927C, 0x02BC
NAMES = {
    DESCRIPTION: "ImageDescription",
    0x010F: "Make",
    0x0110: "Model",
    0x0131: "Software",
    0x013B: "Artist",
    0x8298: "Copyright",
    MAKER_NOTE: "MakerNote",
    USER_COMMENT: "UserComment",
    0x9C9C: "XPComment",
}
# ComfyUI goes down from Make with whatever else it has to say
DESCENDING = range(0x0100, 0x010E)
# Bytes of one value of each type, TIFF 6.0 section 2
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
_WANTED = frozenset({*NAMES, *DESCENDING, ORIENTATION, EXIF_IFD, XMP_PACKET})
_SAMPLE = 4096  # characters at either end that an encoding is judged by
_CHARSET = 8  # bytes before a UserComment that name what follows: EXIF 2.32, table 9


def tag_values(exif: bytes) -> dict[int, list[bytes]]:
    """The raw values of each tag named above in IFD0 and in the Exif IFD, the latter's first."""
    tiff = exif.removeprefix(b"Exif\0\0")
    order = _ORDERS.get(tiff[:4])
    found: dict[int, list[bytes]] = {}
    if order is None or len(tiff) < 8:
        return found
    outer = _directory(tiff, order, struct.unpack_from(f"{order}I", tiff, 4)[0])
    pointer = outer.get(EXIF_IFD, b"")
    inner: dict[int, bytes] = {}
    if len(pointer) == 4:
        inner = _directory(tiff, order, struct.unpack(f"{order}I", pointer)[0])
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


def _directory(tiff: bytes, order: str, start: int) -> dict[int, bytes]:
    """The first value of each wanted tag that is wholly there."""
    found: dict[int, bytes] = {}
    if start + 2 > len(tiff):
        return found
    (count,) = struct.unpack_from(f"{order}H", tiff, start)
    for at in range(start + 2, min(start + 2 + 12 * count, len(tiff) - 11), 12):
        tag, kind, length = struct.unpack_from(f"{order}HHI", tiff, at)
        size = _SIZES.get(kind, 0) * length
        if tag not in _WANTED or tag in found or size == 0:
            continue
        (far,) = struct.unpack_from(f"{order}I", tiff, at + 8)
        place = far if size > 4 else at + 8
        if place + size <= len(tiff):
            found[tag] = tiff[place : place + size]
    return found


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
    text = _sampled(text)
    latin = sum(" " <= c <= "~" or c in "\t\n\r" for c in text)
    return latin - sum(map(_odd, text))


def _sampled(text: str) -> str:
    return text if len(text) <= 2 * _SAMPLE else text[:_SAMPLE] + text[-_SAMPLE:]


def _odd(character: str) -> bool:
    return character not in "\t\n\r" and unicodedata.category(character) in ("Cc", "Cn", "Co", "Cs")


def _sound(text: str | None) -> str | None:
    """The text, unless a tenth of it is no character."""
    sample = _sampled(text or "")
    return text if sample and sum(map(_odd, sample)) * 10 <= len(sample) else None
