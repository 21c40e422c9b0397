"""Text in the lowest bits of pixels, which sites that strip metadata leave alone.

Alpha's bits run down the columns: a signature, a length in bits (32 bits, big-endian), the text.
Where there is no alpha, those of red, green and blue of each pixel hold the same.
"""

import json
from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from PIL import Image

from kakusan.images.carriers.encodings import text_of
from kakusan.images.carriers.texts import Texts, unpacked

_SIGNATURES = {  # packed or not
    b"stealth_pnginfo": False,
    b"stealth_pngcomp": True,
    b"stealth_rgbinfo": False,
    b"stealth_rgbcomp": True,
}
_HEAD = 15 + 4  # bytes


def read_stealth(image: Image.Image, texts: Texts) -> None:
    """The text in the pixels of a decoded picture, if there is one."""
    if image.mode not in ("RGB", "RGBA", "LA"):
        return
    pixels = np.asarray(image)
    if image.mode != "RGB" and _read(pixels[:, :, -1:], b"stealth_png", texts):
        return
    if image.mode != "LA":
        _read(pixels[:, :, :3], b"stealth_rgb", texts)


def _read(planes: npt.NDArray[np.uint8], expected: bytes, texts: Texts) -> bool:
    height, width, depth = planes.shape
    columns = min(width, -(-8 * _HEAD // (height * depth)))
    head = _packed(planes[:, :columns])[:_HEAD]
    signature, length = head[:15], int.from_bytes(head[15:], "big")
    if signature not in _SIGNATURES or not signature.startswith(expected) or len(head) < _HEAD:
        return False
    data = _packed(planes)[_HEAD : _HEAD + length // 8]
    if _SIGNATURES[signature]:
        data = unpacked(data, gzip=True)
    if data is None or 8 * height * width * depth < length:
        texts.fail("stealth", "is broken")
        return True
    _keep(text_of(data), texts)
    return True


def _packed(planes: npt.NDArray[np.uint8]) -> bytes:
    """Bytes of the lowest bits, column after column."""
    return np.packbits(planes.transpose(1, 0, 2).ravel() & 1).tobytes()


def _keep(text: str | None, texts: Texts) -> None:
    """NovelAI puts all of its text chunks there, as one object."""
    try:
        told = json.loads(text) if text is not None and text.lstrip().startswith("{") else None
    except (ValueError, RecursionError):
        told = None
    chunks = cast("Mapping[str, Any]", told) if isinstance(told, dict) else {}
    if not chunks.keys() & {"Comment", "Description", "parameters", "prompt"}:
        texts.add("stealth", "parameters", text)
        return
    for key, value in chunks.items():
        texts.add("stealth", key, value if isinstance(value, str) else json.dumps(value))
