"""The prompts of several pictures, each with its own turns, as rows that are asked together."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from kakusan.conditioning import Turns
from kakusan.errors import RequestError
from kakusan.models import Conditioning
from kakusan.request.syntaxes import PADDED_V0
from kakusan.sampling import Prompt, Timeline


def side_by_side(
    sides: Sequence[Sequence[Turns]],
    opposite: Sequence[Turns] | None,
    padding: bool | str | None = None,
    empty: Callable[[], Tensor] | None = None,
) -> Timeline:
    """The timeline of pictures that are drawn as one.

    Args:
        sides: of each picture, what takes turns on each side of its AND.
        opposite: of each picture, what takes turns as its negative prompt.
        padding: how both get one length, as a request's `pad_conds` says.
        empty: gives the states (1, places, width) of an empty text.

    Raises:
        RequestError: Their sides differ in number or weight.
    """
    weights = [turns.weight for turns in sides[0]]
    if any([turns.weight for turns in each] != weights for each in sides):
        raise RequestError(
            "prompts joined by AND in different ways are drawn one by one: give a seed, or one "
            "prompt to a call"
        )
    longest = max(turns.longest for each in sides for turns in each)
    opposed = longest if opposite is None else max(turns.longest for turns in opposite)
    wanted = longest if padding == PADDED_V0 else opposed  # that way lengthens the negative alone
    columns = [[each[place] for each in sides] for place in range(len(weights))]
    everything = [turns for column in columns for turns in column] + [*(opposite or ())]
    untils = sorted({until for turns in everything for until in turns.untils})
    known: dict[tuple[int, ...], Prompt] = {}
    rows: dict[tuple[int, ...], Conditioning] = {}

    def joined(column: Sequence[Turns], call: int, length: int, target: int) -> Conditioning:
        each = [turns.at(call) for turns in column]
        key = tuple(id(row) for row in each)
        if key not in rows:
            rows[key] = _padded(_rows(each, length), target, padding, empty)
        return rows[key]

    prompts: list[Prompt] = []
    for until in untils:
        key = tuple(id(turns.at(until)) for turns in everything)
        if key not in known:
            text, *beside = [joined(column, until, longest, wanted) for column in columns]
            negative = None
            if opposite is not None:
                negative = joined(opposite, until, opposed, longest)
            others = tuple(zip(weights[1:], beside, strict=True))
            known[key] = Prompt(text, negative, weights[0], others)
        prompts.append(known[key])
    return Timeline(prompts, untils)


def _rows(each: Sequence[Conditioning], length: int) -> Conditioning:
    """Conditionings as rows of one; AUTOMATIC1111 repeats the last vector of a shorter text."""

    def column(tensors: Sequence[Tensor]) -> Tensor:
        return tensors[0] if len(tensors) == 1 else torch.cat(list(tensors))

    first = each[0]
    pooled = [row.pooled for row in each if row.pooled is not None]
    sizes = [row.sizes for row in each if row.sizes is not None]
    return Conditioning(
        column([_lengthened(row.tokens, length) for row in each]),
        None if first.pooled is None else column(pooled),
        None if first.sizes is None else column(sizes),
    )


def _padded(
    rows: Conditioning, length: int, padding: bool | str | None, empty: Callable[[], Tensor] | None
) -> Conditioning:
    """Rows in the length of those that they are asked beside."""
    if not padding or rows.tokens.shape[1] == length:
        return rows
    if padding == PADDED_V0:
        return replace(rows, tokens=_lengthened(rows.tokens, length)[:, :length])
    assert empty is not None
    return replace(rows, tokens=with_empty(rows.tokens, length, empty()))


def with_empty(tokens: Tensor, length: int, empty: Tensor) -> Tensor:
    """Rows of tokens with as many empty texts behind them as fit into a length."""
    missing = max(length - tokens.shape[1], 0) // empty.shape[1]
    each = empty.to(tokens).expand(len(tokens), -1, -1)
    return torch.cat([tokens, *[each] * missing], dim=1)


def _lengthened(tokens: Tensor, length: int) -> Tensor:
    missing = length - tokens.shape[1]
    return tokens if missing <= 0 else torch.cat([tokens, *[tokens[:, -1:]] * missing], dim=1)
