"""`<lora:name:0.8>` and its like: taken out of a prompt, and read."""

import math
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from kakusan.errors import RequestError, shown
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
    texts: list[str] = []
    done = 0
    for match, end in _tags(text):
        if match[1] in LORAS:
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

    Raises:
        RequestError: It has no name, or a weight that is no finite number.
    """
    items = tag.arguments.split(":")
    if tag.kind not in KINDS:
        return Network(tag.kind, items[0], spans=spans, arguments=tuple(items[1:]))
    named = _named(items) if tag.kind in LORAS else []
    plain = [item for item in items if item.count("=") != 1] if tag.kind in LORAS else items
    if not plain or not plain[0].strip():
        raise RequestError(f"{_tag(tag)} has no name; write <{tag.kind}:name:0.8>")
    if tag.kind not in LORAS:
        weight = _number(tag, plain[1]) if len(plain) > 1 else 1.0
        return Network(tag.kind, plain[0], weight, weight, spans)
    weights: dict[str, float] = {}
    dyn = None
    for name, value in (*zip(("te", "unet", "dyn"), plain[1:], strict=False), *named):
        if name == "dyn":
            dyn = _whole(tag, value)
        elif name in ("te", "unet"):
            weights[name] = _number(tag, value)
    text = weights.get("te", 1.0)
    return Network(tag.kind, plain[0], text, weights.get("unet", text), spans, dyn)


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
        raise RequestError(
            f"{_tag(tag)} has the weight {shown(value)}; it must be a number, as in "
            f"<{tag.kind}:name:0.8>"
        )
    return number


def _whole(tag: Tag, value: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise RequestError(
            f"{_tag(tag)} has dyn {shown(value)}; it must be a whole number"
        ) from None


def _tag(tag: Tag) -> str:
    return f"<{tag.kind}:{shown(tag.arguments)[1:-1]}>"
