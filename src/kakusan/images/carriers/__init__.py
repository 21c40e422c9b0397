"""Where texts stand in pictures' files: chunks, segments, EXIF, XMP, and the pixels themselves."""

from kakusan.images.carriers.reading import add_stealth, texts_of
from kakusan.images.carriers.texts import Texts

__all__ = ["Texts", "add_stealth", "texts_of"]
