"""From a parsed prompt to what each call of the denoiser is conditioned on."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from kakusan.conditioning.dialects import Dialect
from kakusan.conditioning.reader import Reader
from kakusan.models import Conditioning
from kakusan.prompts import ParsedPrompt, Timed, at_call

Schedule = Sequence[Timed]


class Turns(NamedTuple):
    """What takes turns on one side of a prompt, as a row for one picture.

    Attributes:
        weight: of this side.
        untils: the last call of each, counted from 0.
        each: the same object wherever it is the same text.
    """

    weight: float
    untils: tuple[int, ...]
    each: tuple[Conditioning, ...]

    def at(self, call: int) -> Conditioning:
        """What holds at a call."""
        found = zip(self.untils, self.each, strict=True)
        return next((one for until, one in found if call <= until), self.each[0])

    @property
    def longest(self) -> int:
        """The most tokens that one of them has."""
        return max(each.tokens.shape[1] for each in self.each)


def encode_parsed(
    parsed: Sequence[ParsedPrompt],
    whole: Sequence[str],
    readers: Sequence[Reader],
    dialect: Dialect,
) -> list[Turns]:
    """Each side of a prompt, which is parsed for each text encoder.

    Texts of one schedule are encoded together, so that they have one length; where the encoders'
    texts differ, the shorter is filled up with empty chunks.

    Args:
        parsed: of each reader; all have as many parts, or one, which then stands beside each.
        whole: the prompts as they were written.
    """
    parts = max(len(each.parts) for each in parsed)
    found = list[Turns]()
    for place in range(parts):
        schedules = [each.parts[place % len(each.parts)].schedule for each in parsed]
        found.append(_encoded(schedules, whole, readers, dialect))
    weights = [part.weight for part in max(parsed, key=lambda each: len(each.parts)).parts]
    sides = [each._replace(weight=weight) for each, weight in zip(found, weights, strict=True)]
    first = parsed[0]
    if first.joined == "guided":
        return sides
    only = [(side.weight, side.each[0]) for side in sides]
    if first.joined == "blended":
        one = _blended(only, readers, first.normalized)
    else:
        one = _chained(only, readers)
    return [Turns(1.0, sides[0].untils[-1:], (one,))]


def _encoded(
    schedules: Sequence[Schedule],
    whole: Sequence[str],
    readers: Sequence[Reader],
    dialect: Dialect,
) -> Turns:
    counted = [Counter((t.text, t.segments) for t in schedule) for schedule in schedules]
    texts = [[Timed(0, *key) for key in each] for each in counted]
    least = max(
        len(dialect.chunks(text, reader))
        for own, reader in zip(texts, readers, strict=True)
        for text in own
    )
    states = list[dict[Timed, Tensor]]()
    for own, counts, reader in zip(texts, counted, readers, strict=True):
        encoded = dialect.encode(own, list(counts.values()), reader, least)
        states.append(dict(zip(own, encoded, strict=True)))
    known: dict[tuple[Timed, ...], Conditioning] = {}
    untils = sorted({timed.until for schedule in schedules for timed in schedule})
    each: list[Conditioning] = []
    for until in untils:
        now = tuple(at_call(schedule, until)._replace(until=0) for schedule in schedules)
        if now not in known:
            parts = [own[timed] for own, timed in zip(states, now, strict=True)]
            pooled = [
                dialect.pooled(timed, text, reader)
                for timed, text, reader in zip(now, whole, readers, strict=True)
            ]
            tokens = torch.cat([part.to(parts[0]) for part in parts], dim=-1)
            known[now] = Conditioning(tokens, pooled[-1])
        each.append(known[now])
    return Turns(1.0, tuple(untils), tuple(each))


def _blended(
    sides: Sequence[tuple[float, Conditioning]], readers: Sequence[Reader], normalized: bool
) -> Conditioning:
    """The weighted sum; shorter ones are filled up with an empty text."""
    longest = max(each.tokens.shape[1] for _, each in sides)
    total = sum(weight for weight, _ in sides) if normalized else 1.0
    tokens = sum(
        (weight / total) * _filled(each.tokens, longest, readers).float() for weight, each in sides
    )
    first = sides[0][1]
    assert isinstance(tokens, Tensor)
    return Conditioning(tokens.to(first.tokens), first.pooled)


def _chained(
    sides: Sequence[tuple[float, Conditioning]], readers: Sequence[Reader]
) -> Conditioning:
    """One after the other; a weight moves a text away from an empty one."""
    parts: list[Tensor] = []
    for weight, each in sides:
        tokens = each.tokens
        if weight != 1.0:
            empty = _filled(tokens[:, :0], tokens.shape[1], readers).float()
            tokens = (empty + weight * (tokens.float() - empty)).to(tokens)
        parts.append(tokens)
    return Conditioning(torch.cat(parts, dim=1), sides[0][1].pooled)


def empty_chunk(readers: Sequence[Reader]) -> Tensor:
    """The states (1, places, width) of an empty text, of all text encoders side by side."""
    states = [reader.read(()).states for reader in readers]
    return torch.cat([each.to(states[0]) for each in states], dim=-1)


def _filled(tokens: Tensor, places: int, readers: Sequence[Reader]) -> Tensor:
    """Tokens with the states of empty texts behind them."""
    empty = empty_chunk(readers).to(tokens)
    missing = (places - tokens.shape[1]) // empty.shape[1]
    return torch.cat([tokens, *[empty] * missing], dim=1)
