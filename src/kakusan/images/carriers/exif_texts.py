"""The texts of an EXIF block, each under its tag's name."""

import unicodedata

from kakusan.images import exif
from kakusan.images.carriers.encodings import text_of
from kakusan.images.carriers.texts import Texts
from kakusan.images.carriers.xmp import read_xmp

_LONGEST_NOTE = 200  # a camera's MakerNote is no text; Fooocus writes a word there
_SHORTEST = 9  # bytes of a descending tag's text; numbers such as a width are shorter


def read_exif(block: bytes, texts: Texts) -> None:
    """Every tag that is known to hold text."""
    for tag, values in exif.tag_values(block).items():
        for value in values:
            _read_tag(tag, value, texts)


def _read_tag(tag: int, value: bytes, texts: Texts) -> None:
    if tag == exif.XMP_PACKET:
        read_xmp(value, texts)
    elif tag == exif.USER_COMMENT:
        if value.strip(b"\0 "):
            texts.add("exif", exif.NAMES[tag], exif.comment_text(value))
    elif tag == exif.MAKER_NOTE:
        text = text_of(value) if len(value) <= _LONGEST_NOTE else None
        if text is not None and all(map(_is_text, text)):
            texts.add("exif", exif.NAMES[tag], text)
    elif tag in exif.NAMES:
        texts.add("exif", exif.NAMES[tag], text_of(value))
    elif tag in exif.DESCENDING and len(value) >= _SHORTEST:
        texts.add("exif", f"0x{tag:04x}", text_of(value))


def _is_text(character: str) -> bool:
    return unicodedata.category(character)[0] != "C" or character in "\t\r\n"
