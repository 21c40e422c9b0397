"""Multipart forms: fields that are texts where JSON has numbers, and files under several names."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from kakusan.errors import shown
from kakusan.server.dialects.openai.failures import Refusal, invalid
from kakusan.server.dialects.openai.fields import EDIT_FIELDS, WHY_REFUSED

MOST_IMAGE_BYTES, MOST_MASK_BYTES = 50_000_000, 4_000_000
_IMAGES = ("image", "image[]")  # clients send one, or a list, by either name


@dataclass(frozen=True)
class Form:
    """A form, read.

    Attributes:
        fields: as JSON would have them.
        image: the bytes of the picture's file.
        mask: those of the mask's.
    """

    fields: Mapping[str, object]
    image: bytes
    mask: bytes | None


def read_form(parts: Iterable[tuple[str, str | bytes]]) -> Form:
    """Read the parts of a form, in their order: texts, and the bytes of files.

    Raises:
        Refusal: One cannot be used.
    """
    fields: dict[str, object] = {}
    files: dict[str, list[bytes]] = {"image": [], "mask": []}
    for sent, value in parts:
        name = "image" if sent in _IMAGES or _is_numbered(sent) else sent
        if isinstance(value, bytes) and name in files:
            files[name].append(value)
        elif isinstance(value, bytes):
            fields[name] = "a file"
        elif name in files:
            raise _no_file(name, value)
        else:
            fields[_base(name)] = _value(name, value)
    image = _only(files["image"], "image", MOST_IMAGE_BYTES)
    if image is None:
        raise invalid(
            "image is missing; it is the picture to edit", "image", "missing_required_parameter"
        )
    return Form(fields, image, _only(files["mask"], "mask", MOST_MASK_BYTES))


def _is_numbered(name: str) -> bool:
    """Such as `image[0]`."""
    return name.startswith("image[") and name.endswith("]") and name[6:-1].isdigit()


def _base(name: str) -> str:
    """`svg[model]` is a part of `svg`, which is refused."""
    base = name.partition("[")[0]
    return base if base in WHY_REFUSED else name


def _no_file(name: str, value: str) -> Refusal:
    if value.startswith(("http:", "https:")):
        return invalid(f"{name} must be a file; no address is fetched from here", name)
    return invalid(f"{name} must be a file, not a text", name, "invalid_type")


def _only(files: list[bytes], name: str, most: int) -> bytes | None:
    if not files:
        return None
    if len(files) > 1:
        raise invalid(f"{len(files)} files were given as {name}; one is taken here", name)
    if len(files[0]) > most:
        raise Refusal(
            f"{name} has {len(files[0])} bytes; at most {most} are taken",
            status=413,
            param=name,
            code="file_too_large",
        )
    return files[0]


def _value(name: str, text: str) -> object:
    """What stands in a text field, by what the field is; empty is absent."""
    read = _READERS.get(name)
    if name not in EDIT_FIELDS or read is None:
        return text
    if not text.strip():
        return None
    try:
        return read(text.strip())
    except (ValueError, OverflowError):
        raise invalid(f"{name} must be {_KINDS[read]}, not {shown(text)}", name) from None


def _whole(text: str) -> int:
    if len(text) > 40:
        raise ValueError
    return int(text)


def _number(text: str) -> float:
    found = float(text)
    if not math.isfinite(found):
        raise ValueError
    return found


def _switch(text: str) -> bool:
    said = text.casefold()
    if said not in ("true", "false", "1", "0"):
        raise ValueError
    return said in ("true", "1")


_READERS: Mapping[str, Callable[[str], object]] = {
    "n": _whole,
    "output_compression": _whole,
    "partial_images": _whole,
    "stream": _switch,
    "seed": _whole,
    "num_inference_steps": _whole,
    "clip_skip": _whole,
    "guidance_scale": _number,
    "strength": _number,
}
_KINDS: Mapping[Callable[[str], object], str] = {
    _whole: "a whole number",
    _number: "a number",
    _switch: "true or false",
}
