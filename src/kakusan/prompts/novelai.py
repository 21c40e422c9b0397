"""Weights in NovelAI's syntax: `{word}` and `[word]`; round brackets are words."""

import re

from kakusan.prompts.attention import Scaled, weighed
from kakusan.prompts.parsed import Segment

UP, DOWN = 1.05, 1 / 1.05
_TOKEN = re.compile(r"[{}\[\]]|[^{}\[\]]+")


def novelai_weights(text: str) -> tuple[Segment, ...]:
    """The stretches of a text and their weights.

    As in AUTOMATIC1111's syntax a closing brace that nothing opened is text, and one that nothing
    closes weighs all that follows.
    """
    pieces: list[tuple[str, float]] = []
    scaled: list[Scaled] = []
    opened: dict[str, list[int]] = {"}": [], "]": []}
    factors = {"}": UP, "]": DOWN}
    for token in _TOKEN.findall(text):
        if token in "{[":
            opened["}" if token == "{" else "]"].append(len(pieces))
        elif opened.get(token):
            scaled.append(Scaled(opened[token].pop(), len(pieces), factors[token]))
        else:
            pieces.append((token, 1.0))
    for closing, places in opened.items():
        scaled += [Scaled(first, len(pieces), factors[closing]) for first in places]
    return weighed(pieces, scaled)
