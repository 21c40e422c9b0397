"""A prompt without grammar, and whether one would mean something else with it."""

from kakusan.errors import RequestError
from kakusan.prompts.parsed import ParsedPrompt, Part, Segment, Timed
from kakusan.prompts.webui import parse_webui

_ANY = 20  # steps; what is grammar does not depend on them


def parse_plain(text: str, steps: int) -> ParsedPrompt:
    """The whole text, as it is, throughout."""
    return parsed_alone("plain", text, (Segment(text),), steps)


def parsed_alone(syntax: str, text: str, segments: tuple[Segment, ...], steps: int) -> ParsedPrompt:
    """A prompt of one part that does not change."""
    return ParsedPrompt(syntax, (Part(1.0, (Timed(steps, text, segments),)),))


def differs(text: str, *, split: bool = True) -> bool:
    """Whether AUTOMATIC1111 reads a text otherwise than as plain words.

    Spaces at its end, and how many there are, say nothing to a text encoder.

    Args:
        split: False for a negative prompt, as in `parse_webui`.
    """
    try:
        prompt = parse_webui(text, _ANY, split=split)
    except RequestError:
        return True
    words = [each.segments for _, each in prompt.at(_ANY)]
    if len(prompt.boundaries) > 1 or len(words) > 1 or prompt.networks:
        return True
    (segment, *more), weight = words[0], prompt.parts[0].weight
    return bool(more) or (weight, segment.weight) != (1, 1) or segment.text.split() != text.split()
