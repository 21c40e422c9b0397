"""Names with hashes, as AUTOMATIC1111 lists them: `name: 0123456789ab, other: ba9876543210`."""

import re
from collections.abc import Iterator, Mapping

from kakusan.images.foreign.fields import as_number
from kakusan.images.foreign.told import Lora

_TAG = re.compile(r"<(lora|lyco|lycoris|hypernet):([^<>]{1,1000})>")
_MOST = 200
_HASH = re.compile(r"(?:0x)?([0-9a-fA-F]{6,64})")


def as_hash(text: object) -> str | None:
    """Hexadecimal digits, in small letters; None where it is something else."""
    match = _HASH.fullmatch(text.strip()) if isinstance(text, str) and len(text) < 80 else None
    return None if match is None else match[1].lower()


def listed_hashes(text: str | None) -> dict[str, str | None]:
    """Each name with its hash."""
    found: dict[str, str | None] = {}
    for item in (text or "")[:100_000].strip('" ').split(","):
        name, _, digits = item.rpartition(":")
        if name.strip() and len(found) < _MOST:
            found[name.strip()] = as_hash(digits)
    return found


def loras_in(prompt: str, hashes: Mapping[str, str | None]) -> tuple[Lora, ...]:
    """The adapters that a prompt's tags name: `<lora:name:weight>`, `<lora:name:text:unet>`."""
    return tuple(_tags(prompt, hashes))


def _tags(prompt: str, hashes: Mapping[str, str | None]) -> Iterator[Lora]:
    for count, match in enumerate(_TAG.finditer(prompt)):
        if match[1] == "hypernet" or count >= _MOST:
            continue
        name, *rest = match[2].split(":")
        named = dict(part.split("=", 1) for part in rest if "=" in part)
        plain = [part for part in rest if "=" not in part]
        text = _weight(named.get("te", plain[0] if plain else None), 1.0)
        unet = _weight(named.get("unet", plain[1] if len(plain) > 1 else None), text)
        digits = hashes.get(name)
        yield Lora(name=name, text_weight=text, unet_weight=unet, hash=digits)


def _weight(text: str | None, otherwise: float) -> float:
    found = as_number(text)
    return otherwise if found is None else float(found)
