"""Names with hashes, as AUTOMATIC1111 lists them: `name: 0123456789ab, other: ba9876543210`."""

import re
from collections.abc import Iterator, Mapping

from kakusan.images.foreign.told import Lora
from kakusan.prompts.networks import LORAS, network_of, take_out

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
    for tag in take_out(prompt)[1][:_MOST]:
        name = tag.arguments.partition(":")[0]
        if tag.kind not in LORAS or not name.strip():
            continue
        network = network_of(tag)
        if network.fault is not None:  # it is named all the same
            yield Lora(name=name, hash=hashes.get(name))
        else:
            weights = {"text_weight": network.text_weight, "unet_weight": network.unet_weight}
            yield Lora(name=network.name, **weights, hash=hashes.get(network.name))
