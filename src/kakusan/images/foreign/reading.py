"""What another tool's picture tells, from its file."""

from dataclasses import replace
from pathlib import Path

from kakusan.images.carriers import Texts, add_stealth, texts_of
from kakusan.images.foreign.recognition import recognised
from kakusan.images.foreign.told import Told

# Where AUTOMATIC1111 says what its page "Extras" did
_AFTERWARDS = ("png:postprocessing", "png:extras")
_CHANGED = "it was changed after it was drawn."


def read_foreign(path: Path | str) -> Told | None:
    """What a picture of another tool tells of how it was made; None where it tells nothing.

    Nothing in it is followed: no name is looked up, no file or address is opened.

    Raises:
        InputError: No such file, or no PNG, JPEG, WebP, GIF or AVIF picture.
    """
    return told_by(path, texts_of(path))


def told_by(path: Path | str, texts: Texts) -> Told | None:
    """The same from the texts of the file at `path`, whose pixels are looked into last."""
    told = recognised(texts)
    if told is None:
        add_stealth(path, texts)
        told = recognised(texts)
    if told is None:
        return None
    changed = [_CHANGED] if any(map(texts.get, _AFTERWARDS)) else []
    unread = [f"{where} {why}." for where, why in list(texts.broken.items())[:20]]
    return replace(told, limits=(*told.limits, *changed, *unread), texts=texts.by_place())
