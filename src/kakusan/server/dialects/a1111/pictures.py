"""Pictures as AUTOMATIC1111's API has them: base64 in JSON, with or without a data URI's head."""

import base64
import binascii
import re

from kakusan.server.dialects.a1111.errors import ApiError, refused

_HEAD, _LONGEST_HEAD = "data:", 200
_ADDRESS = re.compile(r"\s*[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_SPACE = re.compile(r"\s+")
INVALID = "Invalid encoded image"


def picture_bytes(name: str, sent: object) -> bytes:
    """The file that a text holds.

    Raises:
        ApiError: It is an address, or no base64.
    """
    if not isinstance(sent, str):
        raise _invalid(name)
    if _ADDRESS.match(sent[:_LONGEST_HEAD]):
        raise refused(f"{name}: nothing is fetched from addresses; send the picture in base64")
    text = sent
    if sent[:_LONGEST_HEAD].lstrip()[: len(_HEAD)].casefold() == _HEAD:
        text = sent[sent.find(",", 0, _LONGEST_HEAD) + 1 :]
    text = _SPACE.sub("", text).rstrip("=").replace("-", "+").replace("_", "/")
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if not data:
        raise _invalid(name)
    return data


def _invalid(name: str) -> ApiError:
    return ApiError(422, INVALID, more=f"{name}: {INVALID}; send a PNG, JPEG or WebP in base64")


def picture_text(data: bytes) -> str:
    """A file as it is sent back: base64 alone, as clients decode it as it comes."""
    return base64.b64encode(data).decode("ascii")
