"""ControlNet: residuals of a copy of the UNet's way down, which looks at a picture too.

arXiv:2302.05543.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from kakusan.engine import Engine
from kakusan.errors import ArgumentError
from kakusan.inputs import ControlInput, Inputs
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
from kakusan.runtime.device import send
from kakusan.sampling import Halves, Prompt, Start, Steering, Step, Watched
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

# What who watches steps calls the pictures that nets are shown
PICTURE = "control_image"


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
            hints = _embedded(net, _pixels(net, asked, given, call), call.engine)
            found.append(_Shown(net, asked, given, hints, share_of(asked, call)))
        return _Controls(call, found) if found else None


@dataclass(frozen=True, eq=False)
class _Shown:
    """A net and the pictures that it embedded, a row for each that was given."""

    net: Steerer[Any]
    asked: ControlAsked
    given: ControlInput
    hints: Tensor
    share: Share


class _Controls(Prepared):
    def __init__(self, call: Call, shown: Sequence[_Shown]) -> None:
        self._call, self._shown = call, shown

    def steering(self, pictures: range, generator: Generators) -> Sequence[Steering]:
        del generator
        nets = [_Net(own, pictures, self._call) for own in _by_net(self._shown)]
        return (Controlled(nets),)


class _Net:
    """A net with the pictures of one trajectory; those of a union are asked about at once."""

    def __init__(self, shown: Sequence[_Shown], pictures: range, call: Call) -> None:
        first = shown[0]
        self.text_alone = first.asked.mode in ("guess", "control") or first.net.config.pools
        self._shown, self._pictures, self._call = shown, pictures, call
        self._text = self._negative = tuple(rows(each.hints, pictures, call) for each in shown)
        self._pixels: list[Halves] | None = None
        self._made: dict[tuple[bool, ...], Control | None] = {}

    def at(self, step: int, *, is_negative: bool) -> Control | None:
        """How it steers a step; None where it does not act."""
        acting = tuple(each.share.holds(step) for each in self._shown)
        apart = is_negative and self._negative is not self._text
        if (apart, *acting) not in self._made:
            hints = self._negative if apart else self._text
            self._made[apart, *acting] = self._control(acting, hints) if any(acting) else None
        return self._made[apart, *acting]

    def seen(self) -> list[Halves]:
        """The pictures that it is shown, (n, channels, height, width)."""
        if self._pixels is None:
            self._pixels = [Halves(each, self._half(each)) for each in self._given()]
        return self._pixels

    def take(self, pixels: Sequence[Halves]) -> None:
        """Be shown others from now on."""
        self._pixels, self._made = [*pixels], {}
        self._text = self._hints([each.text for each in pixels])
        of_negative = [each.text if each.negative is None else each.negative for each in pixels]
        is_same = all(
            torch.equal(n, each.text) for n, each in zip(of_negative, pixels, strict=True)
        )
        self._negative = self._text if is_same else self._hints(of_negative)

    def _given(self) -> list[Tensor]:
        call = self._call
        found = [_pixels(each.net, each.asked, each.given, call) for each in self._shown]
        dtype = call.engine.compute_dtype(self._shown[0].net)
        return [
            send(rows(each, self._pictures, call).to(dtype), call.engine.device) for each in found
        ]

    def _half(self, pixels: Tensor) -> Tensor | None:
        return None if self.text_alone else pixels

    def _hints(self, pixels: Sequence[Tensor]) -> tuple[Tensor, ...]:
        return tuple(_embedded(self._shown[0].net, each, self._call.engine) for each in pixels)

    def _control(self, acting: Sequence[bool], hints: tuple[Tensor, ...]) -> Control | None:
        asked = [each.asked for each in self._shown]
        scales = [a.scale if on else 0.0 for a, on in zip(asked, acting, strict=True)]
        if not any(scales):
            return None
        net, mode = self._shown[0].net, asked[0].mode
        several = len(hints) > 1
        weights = ladder(mode, net, 1.0 if several else scales[0])
        if not isinstance(net, ControlNetUnionModel):
            return Control(net, hints, weights)
        kinds = tuple(a.type or 0 for a in asked)
        return Control(net, hints, weights, kinds, tuple(scales) if several else (1.0,))


def _pixels(net: Any, asked: ControlAsked, given: ControlInput, call: Call) -> Tensor:
    return pixels_of(asked, given, call, net.config.picture_channels)


def _embedded(net: Steerer[Any], pixels: Tensor, engine: Engine) -> Tensor:
    # each alone, so that none depends on its neighbours to the last bit
    return torch.cat([engine.control_hints(net, each) for each in pixels.split(1)])


class Controlled(Watched):
    """Has the nets asked beside the UNet at the steps in which they act."""

    marks_pictures = True  # a request tells of it

    def __init__(self, nets: Sequence[_Net]) -> None:
        self._nets, self._step = nets, 0

    def begin(self, start: Start) -> Start:
        self._step = start.step
        return start

    def ask(self, call: UNetCall) -> UNetCall:
        asked = [net for net in self._nets if not (net.text_alone and call.is_negative)]
        acting = [net.at(self._step, is_negative=call.is_negative) for net in asked]
        controls = tuple(each for each in acting if each is not None)
        return call._replace(controls=(*call.controls, *controls)) if controls else call

    def resume(self, step: int, prompt: Prompt) -> Prompt:
        self._step = step
        return prompt

    def after(self, step: Step) -> Step:
        self._step = step.index + 1
        return step

    def seen(self, name: str) -> Sequence[Halves]:
        return [each for net in self._nets for each in net.seen()] if name == PICTURE else ()

    def take(self, name: str, halves: Sequence[Halves]) -> None:
        del name
        left = iter(halves)
        for net in self._nets:
            net.take([*islice(left, len(net.seen()))])


def ladder(mode: str, net: Steerer[Any], scale: float) -> tuple[float, ...]:
    """What each residual is multiplied by, from the finest on, the middle's last."""
    count = net.outputs
    if mode == "balanced" or net.config.pools:
        return (scale,) * count
    if mode == "guess":
        return tuple(scale * each for each in guessing(count))
    return tuple(scale * SOFT ** (count - 1 - k) for k in range(count))


def _by_net(shown: Sequence[_Shown]) -> list[list[_Shown]]:
    """Each net with its pictures: a union's all together, others one by one."""
    found: list[list[_Shown]] = []
    for each in shown:
        is_union = isinstance(each.net, ControlNetUnionModel)
        same = next((own for own in found if is_union and own[0].net is each.net), None)
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
