"""compel's way from texts with weights to states, as InvokeAI has it.

Weights move states away from those of an empty text. For a stretch below 1 the text is encoded once
more, with the stretch masked out, and both are blended: at 0.5 the result lies halfway.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from kakusan.conditioning.dialects import Dialect, from_empty
from kakusan.conditioning.reader import Reader
from kakusan.prompts import Timed
from kakusan.prompts.chunks import Chunk

SENTENCE = frozenset({".</w>"})
PHRASE = frozenset({".</w>", ",</w>", ";</w>", ":</w>"})
WORD_END = "</w>"
LEAST = 1e-5  # weights below it count as it: at 0 nothing would be left of the text itself


class Compel(Dialect):
    """Long texts are cut after a sentence, else after a phrase, else after a word."""

    def chunks(self, text: Timed, reader: Reader) -> Sequence[Chunk]:
        return [chunk for chunk, _ in _cut(text, reader)]

    def encode(
        self, texts: Sequence[Timed], counts: Sequence[int], reader: Reader, least: int = 1
    ) -> list[Tensor]:
        del counts
        cut = [_cut(text, reader) for text in texts]
        length = max(least, *(len(each) for each in cut))
        empty = (Chunk(), ())
        return [
            _blended(text, [*own, *[empty] * (length - len(own))], reader)
            for text, own in zip(texts, cut, strict=True)
        ]

    def pooled(self, text: Timed, whole: str, reader: Reader) -> Tensor | None:
        del text  # the marks of its weights are read too, and what does not fit is left out
        ids = [index for piece in reader.pieces(whole) for index in piece]
        return reader.read(tuple(ids[: reader.room])).pooled


# A chunk, and the number of each token's segment
_Part = tuple[Chunk, Sequence[int]]


def _cut(text: Timed, reader: Reader) -> list[_Part]:
    pieces = [
        (ids, segment.weight, number)
        for number, segment in enumerate(text.segments)
        for ids in reader.pieces(segment.text)
    ]
    names = reader.tokenizer.decoder if sum(len(ids) for ids, *_ in pieces) > reader.room else {}
    parts: list[_Part] = []
    first = 0
    while first < len(pieces) or not parts:
        seen = pieces[first : first + reader.room + 1]
        taken = seen[: _end([ids for ids, *_ in seen], names, reader.room)]
        first += len(taken)
        each = [(index, weight, number) for ids, weight, number in taken for index in ids]
        chunk = Chunk(tuple(i for i, *_ in each), tuple(weight for _, weight, _ in each))
        parts.append((chunk, [number for *_, number in each]))
    return parts


def _end(pieces: Sequence[tuple[int, ...]], names: dict[int, str], room: int) -> int:
    """After how many pieces the chunk ends, of those that are one more than could fit."""
    fits, places = 0, 0
    while fits < len(pieces) and places + len(pieces[fits]) <= room:
        places += len(pieces[fits])
        fits += 1
    if fits == len(pieces):
        return fits
    tokens = [names.get(ids[-1], "") for ids in pieces[:fits]]
    for marks in (SENTENCE, PHRASE):
        found = next((i for i in reversed(range(fits)) if tokens[i] in marks), None)
        if found is not None:
            return found + 1
    word = (i for i in reversed(range(fits)) if tokens[i].endswith(WORD_END))
    return next(word, max(fits, 1) - 1) + 1  # what fits nowhere is for the encoder to refuse


def _blended(text: Timed, parts: Sequence[_Part], reader: Reader) -> Tensor:
    """The whole text, and beside it without each stretch that weighs less than 1."""
    found = torch.cat([from_empty(chunk, reader) for chunk, _ in parts], dim=1)
    below = [n for n, each in enumerate(text.segments) if each.weight < 1.0]
    below = [n for n in below if any(n in numbers for _, numbers in parts)]
    if not below:
        return found
    total, share = found.float(), 1.0
    for number in below:
        masked = [
            from_empty(chunk, reader, [i for i, own in enumerate(numbers) if own == number])
            for chunk, numbers in parts
        ]
        weight = max(LEAST, text.segments[number].weight)
        strength = math.tan((1.0 - weight) * math.pi / 2)
        total = total + strength * torch.cat(masked, dim=1).float()
        share += strength
    return (total / share).to(found.dtype)
