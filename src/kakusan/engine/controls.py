"""Questions to the UNet with what ControlNets say to them, asked for several at once."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from kakusan.engine.joining import join, together
from kakusan.models import Conditioning, Control, Residuals, Steerer, TextContext, UNetCall
from kakusan.models.control.question import answered

# Conditionings with pictures, and the same without
_TEXTS: WeakKeyDictionary[Conditioning, Conditioning] = WeakKeyDictionary()


class Runs(Protocol):
    """Runs a network where and as it computes."""

    def __call__(
        self, net: Steerer[Any], run: Callable[[Steerer[Any]], Residuals], *, upcast: bool
    ) -> Residuals: ...


def controlled(
    calls: Sequence[UNetCall], context: Callable[[Sequence[UNetCall]], TextContext], runs: Runs
) -> list[UNetCall]:
    """The same calls, with the residuals of all nets that they name.

    Args:
        context: the text of calls that are answered together.
    """
    found = [call.residuals for call in calls]
    groups: dict[Hashable, list[tuple[int, Control]]] = {}
    for index, call in enumerate(calls):
        for control in call.controls:
            kind = (id(control.net), control.kinds, control.scales, len(control.hints))
            groups.setdefault((kind, _is_short(call)), []).append((index, control))
    for (_, short), asked in groups.items():  # pyright: ignore[reportGeneralTypeIssues]
        questions = [_question(calls[index], control) for index, control in asked]
        for group in together(questions):
            some = [questions[place] for place in group]
            controls = [asked[place][1] for place in group]
            given = _answers(some, controls, context, runs, short=bool(short))
            for place, control, own in zip(group, controls, given, strict=True):
                index = asked[place][0]
                own = control.weighed(own)
                so_far = found[index]
                found[index] = own if so_far is None else so_far.plus(own)
    return _filled([c._replace(residuals=r) for c, r in zip(calls, found, strict=True)])


def _is_short(call: UNetCall) -> bool:
    """Whether the UNet takes what lies deeper from an earlier call."""
    return call.deep is not None and call.deep.tensor is not None


def _question(call: UNetCall, control: Control) -> UNetCall:
    """What the net is asked: of a UNet that repaints it sees the latents alone."""
    return UNetCall(
        call.sample[:, : control.net.in_channels],
        call.timestep,
        _of_text(call.conditioning),
        upcast=call.upcast,
    )


def _of_text(conditioning: Conditioning) -> Conditioning:
    """Without pictures: a ControlNet attends to the text alone; the same object each time."""
    if not conditioning.image_tokens:
        return conditioning
    if conditioning not in _TEXTS:
        _TEXTS[conditioning] = replace(conditioning, image_tokens=())
    return _TEXTS[conditioning]


def _answers(
    calls: Sequence[UNetCall],
    controls: Sequence[Control],
    context: Callable[[Sequence[UNetCall]], TextContext],
    runs: Runs,
    *,
    short: bool,
) -> list[Residuals]:
    joined, sizes = join(calls), [len(call.sample) for call in calls]
    first = controls[0]
    pairs = [*zip(controls, sizes, strict=True)]
    hints = [
        torch.cat([control.hints[k].expand(rows, -1, -1, -1) for control, rows in pairs])
        for k in range(len(first.hints))
    ]
    texts = context(calls)

    def run(net: Steerer[Any]) -> Residuals:
        return answered(
            net,
            first,
            hints,
            joined.sample,
            joined.timestep,
            texts,
            joined.added,
            sizes=sizes,
            first_alone=short,
        )

    given = runs(first.net, run, upcast=calls[0].upcast)
    parts = [each.split(sizes) for each in given.tensors]
    return [_rows(given, [part[place] for part in parts]) for place in range(len(calls))]


def _rows(like: Residuals, tensors: Sequence[Tensor]) -> Residuals:
    each = iter(tensors)
    return like.map(lambda _: next(each))


def _filled(calls: list[UNetCall]) -> list[UNetCall]:
    """Calls with nothing to add beside others that have, so that one call answers both.

    Of a guided picture whose text alone is steered that is the half about the negative prompt.
    """
    like: dict[Hashable, Residuals] = {}
    for call in calls:
        if call.residuals is not None:
            like.setdefault(_place(call), call.residuals)
    return [
        call._replace(residuals=like[_place(call)].map(_zero))
        if call.residuals is None and _place(call) in like
        else call
        for call in calls
    ]


def _place(call: UNetCall) -> Hashable:
    return (call.sample.shape[1:], _is_short(call))


def _zero(x: Tensor) -> Tensor:
    return torch.zeros_like(x[:1])
