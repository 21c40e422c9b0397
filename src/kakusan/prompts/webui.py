"""A prompt by AUTOMATIC1111's rules, as its version 1.10 has them.

In this order: comments go, `<kind:name>` is taken out, the text is split at AND, and each side is
read for `[from:to:when]` and `[a|b]`; then each text that results, for weights and BREAK. Two
things are otherwise than there: `\\#` is no comment, so that any text can be written, and a
`<lora:...>` within `[from:to:when]` holds while its text does, not throughout.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from kakusan.prompts.attention import attention
from kakusan.prompts.networks import Tag, network_of, take_out, taken_of
from kakusan.prompts.parsed import Network, ParsedPrompt, Part, Segment, Timed
from kakusan.prompts.timeline import Moment, Timeline

_COMMENT_LINE = re.compile(r"(?:^|\n)#[^\n]*(?:\n|$)")
_COMMENT = re.compile(r"(?<!\\)((?:\\\\)*)#[^\n]*(?:\n|$)")
_AND = re.compile(r"\bAND\b")
_WEIGHT = re.compile(r"[-+]?(?:\d+\.?|\d*\.\d+)")


def parse_webui(
    text: str,
    steps: int,
    *,
    hires_steps: int | None = None,
    old_timelines: bool = False,
    split: bool = True,
    comments: bool = True,
) -> ParsedPrompt:
    """Read a prompt.

    Args:
        text: of any characters; what is unbalanced is read as the tool reads it.
        steps: denoiser calls of the (first) pass.
        hires_steps: those of the second pass, if the prompt is read for that one.
        old_timelines: count as AUTOMATIC1111 did before 1.6.
        split: False for a negative prompt, which is not split at AND, and names no networks.
        comments: False for pictures of versions before 1.8, which had none.

    Raises:
        RequestError: The prompt is too many texts for its length.
    """
    if hires_steps is None or old_timelines:
        timeline = Timeline(steps, None, old_timelines)
    else:
        timeline = Timeline(hires_steps, steps)
    text = without_comments(text) if comments else text
    cleaned, tags = take_out(text) if split else (text, ())
    reading = _Reading(timeline, tags)
    sides = _sides(cleaned) if split else [(0, cleaned, 1.0)]
    parts = tuple(reading.part(*side) for side in sides)
    return ParsedPrompt("webui", parts, reading.networks())


def without_comments(text: str) -> str:
    """The text without what stands between `#` and a line's end."""
    if "#" not in text:
        return text
    return _COMMENT.sub(r"\1\n", _COMMENT_LINE.sub("\n", text))


def _sides(text: str) -> list[tuple[int, str, float]]:
    """What stands between ANDs: where it begins, its text, and its weight."""
    found: list[tuple[int, str, float]] = []
    first = 0
    for end in [*(match.start() for match in _AND.finditer(text)), len(text)]:
        found.append((first, *_weighed(text[first:end])))
        first = end + len("AND")
    return found


def _weighed(side: str) -> tuple[str, float]:
    """A side's text without the `:1.2` at its end, and that number."""
    side = side.rstrip()
    words, colon, number = side.rpartition(":")
    number = number.lstrip()  # of spaces that float() does not take, too
    if colon and _WEIGHT.fullmatch(number):
        return words.rstrip(), float(number)
    return side, 1.0


@dataclass
class _Reading:
    """Reads the sides of one prompt, each text once."""

    timeline: Timeline
    tags: Sequence[Tag]
    segments: dict[str, tuple[Segment, ...]] = field(default_factory=dict[str, tuple[Segment, ...]])
    plain: dict[str, tuple[Timed, ...]] = field(default_factory=dict[str, tuple[Timed, ...]])
    spans: dict[int, list[tuple[int, int]]] = field(
        default_factory=dict[int, list[tuple[int, int]]]
    )

    def part(self, first: int, text: str, weight: float) -> Part:
        taken = taken_of(self.tags, first, first + len(text))
        if not taken and text in self.plain:
            return Part(weight, self.plain[text])
        moments = self.timeline.moments(text, taken)
        self.spans |= {each.number: list[tuple[int, int]]() for each in taken}
        self._hold(moments)
        schedule = tuple(Timed(m.until, m.text, self._attention(m.text)) for m in moments)
        if not taken:
            self.plain[text] = schedule
        return Part(weight, schedule)

    def networks(self) -> tuple[Network, ...]:
        throughout = [(0, self.timeline.steps)]
        found = (self.spans.get(index, throughout) for index in range(len(self.tags)))
        return tuple(
            network_of(tag, None if spans == throughout else tuple(spans))
            for tag, spans in zip(self.tags, found, strict=True)
        )

    def _hold(self, moments: Sequence[Moment]) -> None:
        """Remember in which calls the tags stood in the text."""
        first = 0
        for moment in moments:
            for index in moment.taken:
                spans = self.spans[index]
                joined = spans and spans[-1][1] + 1 == first
                begin = spans.pop()[0] if joined else first
                spans.append((begin, moment.until))
            first = moment.until + 1

    def _attention(self, text: str) -> tuple[Segment, ...]:
        if text not in self.segments:
            self.segments[text] = attention(text)
        return self.segments[text]
