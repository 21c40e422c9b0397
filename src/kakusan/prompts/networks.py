"""`<lora:name:0.8>` and its like: taken out of a prompt, and read."""

import math
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from kakusan.errors import shown
from kakusan.prompts.groups import Taken
from kakusan.prompts.parsed import Network

_BEGINS = re.compile(r"<(\w+):(?!>)")
# Those whose weights the tool reads; anything else of this form is only taken out of the text
LORAS = ("lora", "lyco")
KINDS = (*LORAS, "hypernet")


class Tag(NamedTuple):
    """`<kind:arguments>`, and where it stood in the text without tags."""

    place: int
    kind: str
    arguments: str


def take_out(text: str) -> tuple[str, tuple[Tag, ...]]:
    """The text without its tags, and these."""
    texts: list[str] = []
    tags: list[Tag] = []
    done = length = 0
    for match, end in _tags(text):
        texts.append(text[done : match.start()])
        length += len(texts[-1])
        tags.append(Tag(length, match[1], text[match.end() : end]))
        done = end + 1
    return "".join((*texts, text[done:])), tuple(tags)


def without_loras(text: str) -> str:
    """The text without those tags that name adapters."""
    return without_tags(text, lambda network: network.kind in LORAS)


def without_tags(text: str, unwanted: Callable[[Network], bool]) -> str:
    """The text without those of its tags of which `unwanted` is true."""
    texts: list[str] = []
    done = 0
    for match, end in _tags(text):
        if unwanted(network_of(Tag(0, match[1], text[match.end() : end]))):
            texts.append(text[done : match.start()])
            done = end + 1
    return "".join((*texts, text[done:]))


def _tags(text: str) -> Iterator[tuple[re.Match[str], int]]:
    """How each tag begins, and where the bracket stands that ends it."""
    position = 0
    while match := _BEGINS.search(text, position):
        end = text.find(">", match.end())
        if end < 0:
            return
        yield match, end
        position = end + 1


def network_of(tag: Tag, spans: tuple[tuple[int, int], ...] | None = None) -> Network:
    """What a tag says.

    `<lora:name:text:unet:dyn>`: weights are 1 where nothing is said, the UNet's is the text
    encoder's; `te=`, `unet=` and `dyn=` say them by name. `<hypernet:name:weight>` has one.

    Where there is no name, or a weight is no finite number, its `fault` says so: AUTOMATIC1111
    takes the tag out of the text all the same, writes a line into its log, and draws.
    """
    items = tag.arguments.split(":")
    if tag.kind not in KINDS:
        return Network(tag.kind, items[0], spans=spans, arguments=tuple(items[1:]))
    named = _named(items) if tag.kind in LORAS else []
    plain = [item for item in items if item.count("=") != 1] if tag.kind in LORAS else items
    name = plain[0] if plain else ""
    try:
        if not name.strip():
            raise _FaultError(f"{_tag(tag)} has no name; write <{tag.kind}:name:0.8>")
        text, unet, dyn = _weights(tag, plain[1:], named)
    except _FaultError as fault:
        return Network(tag.kind, name, 0.0, 0.0, spans, fault=str(fault))
    return Network(tag.kind, name, text, unet, spans, dyn)


class _FaultError(Exception):
    """What is wrong with a tag."""


def _weights(
    tag: Tag, plain: Sequence[str], named: Sequence[tuple[str, str]]
) -> tuple[float, float, int | None]:
    """The text encoder's, the UNet's, and `dyn`."""
    if tag.kind not in LORAS:
        weight = _number(tag, plain[0]) if plain else 1.0
        return weight, weight, None
    weights: dict[str, float] = {}
    dyn = None
    for name, value in (*zip(("te", "unet", "dyn"), plain, strict=False), *named):
        if name == "dyn":
            dyn = _whole(tag, value)
        elif name in ("te", "unet"):
            weights[name] = _number(tag, value)
    text = weights.get("te", 1.0)
    return text, weights.get("unet", text), dyn


def taken_of(tags: Sequence[Tag], first: int, last: int) -> list[Taken]:
    """The tags of a stretch of the text, and where in it they stood."""
    begin = bisect_left(tags, first, key=lambda tag: tag.place)
    end = bisect_right(tags, last, key=lambda tag: tag.place)
    return [Taken(tags[index].place - first, index) for index in range(begin, end)]


def _named(items: Sequence[str]) -> list[tuple[str, str]]:
    parted = [item.split("=") for item in items if item.count("=") == 1]
    return [(name, value) for name, value in parted]


def _number(tag: Tag, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise _FaultError(
            f"{_tag(tag)} has the weight {shown(value)}; it must be a number, as in "
            f"<{tag.kind}:name:0.8>"
        )
    return number


def _whole(tag: Tag, value: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise _FaultError(
            f"{_tag(tag)} has dyn {shown(value)}; it must be a whole number"
        ) from None


def _tag(tag: Tag) -> str:
    return f"<{tag.kind}:{shown(tag.arguments)[1:-1]}>"
