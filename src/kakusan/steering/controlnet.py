"""ControlNet: residuals of a copy of the UNet's way down, which looks at a picture too.

arXiv:2302.05543.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from kakusan.engine import Engine
from kakusan.errors import ArgumentError
from kakusan.inputs import Inputs
from kakusan.models import (
    Control,
    ControlNetUnionModel,
    Model,
    Steerer,
    UNet2DConditionModel,
    UNetCall,
    guessing,
)
from kakusan.request import ControlAsked, Request
from kakusan.sampling import Prompt, Start, Steering, Step
from kakusan.schedulers import Generators
from kakusan.steering.nets import (
    SOFT,
    Share,
    asked_of,
    check_family,
    completed,
    pixels_of,
    rows,
    share_of,
)
from kakusan.steering.way import Call, Completed, Prepared, Way


class ControlNets(Way):
    """Steers by the ControlNets that are handed in, each with its picture."""

    def complete(self, request: Request, inputs: Inputs, engine: Engine) -> Completed:
        def check(net: Model[Any], asked: ControlAsked) -> None:
            assert isinstance(net, Steerer)
            check_net(net, engine.unet)
            _check_type(net, asked)

        return completed(request, inputs, Steerer, check, engine)

    def prepare(self, call: Call) -> Prepared | None:
        found = list[_Shown]()
        for asked, given in asked_of(call, Steerer):
            net: Any = given.net
            pixels = pixels_of(asked, given, call, net.config.picture_channels)
            # each alone, so that none depends on its neighbours to the last bit
            hints = torch.cat([call.engine.control_hints(net, each) for each in pixels.split(1)])
            found.append(_Shown(net, asked, hints, share_of(asked, call)))
        return _Controls(call, found) if found else None


@dataclass(frozen=True, eq=False)
class _Shown:
    """A net and the pictures that it embedded, a row for each that was given."""

    net: Steerer[Any]
    asked: ControlAsked
    hints: Tensor
    share: Share


class _Controls(Prepared):
    def __init__(self, call: Call, shown: Sequence[_Shown]) -> None:
        self._call, self._shown = call, shown

    def steering(self, pictures: range, generator: Generators) -> Sequence[Steering]:
        del generator
        found: list[tuple[_Shown, Tensor]] = [
            (each, rows(each.hints, pictures, self._call)) for each in self._shown
        ]
        return (Controlled([_Net(own) for own in _by_net(found)]),)


class _Net:
    """A net with the pictures of one trajectory; those of a union are asked about at once."""

    def __init__(self, shown: Sequence[tuple[_Shown, Tensor]]) -> None:
        first, _ = shown[0]
        self.text_alone = first.asked.mode in ("guess", "control") or first.net.config.pools
        self._shown = shown
        self._made: dict[tuple[bool, ...], Control | None] = {}

    def at(self, step: int) -> Control | None:
        """How it steers a step; None where it does not act."""
        acting = tuple(each.share.holds(step) for each, _ in self._shown)
        if acting not in self._made:
            self._made[acting] = self._control(acting) if any(acting) else None
        return self._made[acting]

    def _control(self, acting: Sequence[bool]) -> Control | None:
        asked = [each.asked for each, _ in self._shown]
        scales = [a.scale if on else 0.0 for a, on in zip(asked, acting, strict=True)]
        if not any(scales):
            return None
        net, mode = self._shown[0][0].net, asked[0].mode
        hints = tuple(hint for _, hint in self._shown)
        several = len(hints) > 1
        weights = ladder(mode, net, 1.0 if several else scales[0])
        if not isinstance(net, ControlNetUnionModel):
            return Control(net, hints, weights)
        kinds = tuple(a.type or 0 for a in asked)
        return Control(net, hints, weights, kinds, tuple(scales) if several else (1.0,))


class Controlled(Steering):
    """Has the nets asked beside the UNet at the steps in which they act."""

    marks_pictures = True  # a request tells of it

    def __init__(self, nets: Sequence[_Net]) -> None:
        self._nets, self._step = nets, 0

    def begin(self, start: Start) -> Start:
        self._step = start.step
        return start

    def ask(self, call: UNetCall) -> UNetCall:
        asked = [net for net in self._nets if not (net.text_alone and call.is_negative)]
        acting = [net.at(self._step) for net in asked]
        controls = tuple(each for each in acting if each is not None)
        return call._replace(controls=(*call.controls, *controls)) if controls else call

    def resume(self, step: int, prompt: Prompt) -> Prompt:
        self._step = step
        return prompt

    def after(self, step: Step) -> Step:
        self._step = step.index + 1
        return step


def ladder(mode: str, net: Steerer[Any], scale: float) -> tuple[float, ...]:
    """What each residual is multiplied by, from the finest on, the middle's last."""
    count = net.outputs
    if mode == "balanced" or net.config.pools:
        return (scale,) * count
    if mode == "guess":
        return tuple(scale * each for each in guessing(count))
    return tuple(scale * SOFT ** (count - 1 - k) for k in range(count))


def _by_net(shown: Sequence[tuple[_Shown, Tensor]]) -> list[list[tuple[_Shown, Tensor]]]:
    """Each net with its pictures: a union's all together, others one by one."""
    found: list[list[tuple[_Shown, Tensor]]] = []
    for each in shown:
        net = each[0].net
        is_union = isinstance(net, ControlNetUnionModel)
        same = next((own for own in found if is_union and own[0][0].net is net), None)
        if same is None:
            found.append([each])
        else:
            same.append(each)
    return found


def check_net(net: Steerer[Any], unet: UNet2DConditionModel) -> None:
    """Raise ArgumentError where a net does not fit the UNet."""
    ours, theirs = unet.config, net.config
    attends = any(ours.down_depth(level) for level in range(len(ours.block_out_channels)))
    if attends and any(theirs.transformer_depth):
        check_family(
            "ControlNet", theirs.cross_attention_dim, ours.cross_attention_dim, "text width"
        )
    if net.skip_channels != unet.skip_channels or (
        bool(theirs.added_time_dim) != bool(ours.added_time_dim)
    ):
        raise ArgumentError(
            f"the ControlNet is for another family of models: its levels have "
            f"{list(theirs.block_out_channels)} channels, the UNet's "
            f"{list(ours.block_out_channels)}; take one for this model"
        )
    if theirs.in_channels not in (4, ours.in_channels, ours.out_channels):
        raise ArgumentError(
            f"the ControlNet takes {theirs.in_channels} channels of latents, and the UNet "
            f"{ours.in_channels}"
        )


def _check_type(net: Steerer[Any], asked: ControlAsked) -> None:
    """Raise ArgumentError where a union is not told what its picture is of, or another net is."""
    if isinstance(net, ControlNetUnionModel):
        if asked.type is None or asked.type >= net.config.kinds:
            raise ArgumentError(
                "{control_mode} says what a picture is of, from 0 to {0}, not {1}",
                net.config.kinds - 1,
                asked.type,
            )
    elif asked.type is not None:
        raise ArgumentError(
            "{control_mode} is for a union of ControlNets, and this is a ControlNet; leave it out"
        )
