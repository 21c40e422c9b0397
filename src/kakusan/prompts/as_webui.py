"""Prompts of any syntax in AUTOMATIC1111's, as pictures carry them for other tools."""

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from kakusan.errors import RequestError
from kakusan.prompts.attention import escape
from kakusan.prompts.comfy import comfy_weights
from kakusan.prompts.compel import parse_compel
from kakusan.prompts.parsed import Segment
from kakusan.prompts.plain import differs

_ANY = 20  # steps; nothing here changes with them
_LEARNT = re.compile(r"(?<!\S)embedding:([^\s,]+)")
_WEIGHT = re.compile(r":[\s.\d+-]*\Z")
_FILES = (".pt", ".bin", ".safetensors")


def as_webui(text: str, syntax: str) -> str:
    """A prompt that AUTOMATIC1111 reads as `text` is read in `syntax`.

    Plain words are escaped where it would take them for grammar; its parser gives them back as
    one segment of weight 1. Of ComfyUI's and compel's prompts each stretch stands with the weight
    that it has there; what weights do to embeddings differs between the tools, and no text says
    that. compel's `.blend`, its `.and` with weights, and what it cannot read have no translation:
    they stand as they were written, as plain words.
    """
    if syntax == "webui":
        return text
    try:
        found = _weighted(comfy_weights(text)) if syntax == "comfy" else None
        found = _of_compel(text) if syntax == "compel" else found
    except RequestError:
        found = None
    if found is not None:
        return found
    return _words(text) if differs(text) else text


def _of_compel(text: str) -> str | None:
    prompt = parse_compel(text, _ANY)
    if prompt.joined == "blended" or any(part.weight != 1 for part in prompt.parts):
        return None
    sides = (_weighted(part.schedule[0].segments, " ") for part in prompt.parts)
    tags = (f"<lora:{each.name}:{_number(each.unet_weight)}>" for each in prompt.networks)
    return " ".join((" BREAK ".join(sides), *tags))


def _weighted(segments: Sequence[Segment], between: str = "") -> str:
    said = [each for each in segments if each.text]
    ends = said[-1:]
    if not ends or ends[0].weight != 1:
        return between.join(map(_one, said))
    return between.join((*map(_one, said[:-1]), _words(_named(ends[0].text))))


def _one(segment: Segment) -> str:
    text = _followed(_named(segment.text))
    return text if segment.weight == 1 else f"({text}:{_number(segment.weight)})"


def _words(text: str) -> str:
    """Plain words up to the end of a prompt, where a number behind a colon would be a weight."""
    return escape(text) if _WEIGHT.search(text) else _followed(text)


def _followed(text: str) -> str:
    """Plain words off whose end nothing is taken, as more follows."""
    return escape(f"{text},")[:-1]


def _named(text: str) -> str:
    return _LEARNT.sub(_plain_name, text)


def _plain_name(match: re.Match[str]) -> str:
    """A learnt word as AUTOMATIC1111 has it: its file's name."""
    path = PurePosixPath(match[1].replace("\\", "/"))
    return path.stem if path.suffix.casefold() in _FILES else path.name


def _number(weight: float) -> str:
    """Without an exponent, which AUTOMATIC1111 does not read."""
    return f"{weight:.8f}".rstrip("0").rstrip(".")
