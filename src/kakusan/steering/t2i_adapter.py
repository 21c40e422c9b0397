"""T2I-Adapter: features of a picture, which the UNet's way down has added at every step.

arXiv:2302.08453.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from kakusan.engine import Engine
from kakusan.errors import ArgumentError
from kakusan.inputs import Inputs
from kakusan.models import Model, Residuals, T2IAdapter, UNet2DConditionModel, UNetCall
from kakusan.request import ControlAsked, Request
from kakusan.sampling import Prompt, Start, Steering, Step
from kakusan.schedulers import Generators
from kakusan.steering.nets import Share, asked_of, completed, pixels_of, rows, share_of
from kakusan.steering.way import Call, Completed, Prepared, Way

# AUTOMATIC1111's soft weights of the levels, the finest first
SOFT_LEVELS = (0.25, 0.62, 0.825, 1.0)


class T2IAdapters(Way):
    """Steers by the T2I-Adapters that are handed in, each with its picture."""

    def complete(self, request: Request, inputs: Inputs, engine: Engine) -> Completed:
        def check(net: Model[Any], asked: ControlAsked) -> None:
            assert isinstance(net, T2IAdapter)
            check_adapter(net, engine.unet)
            _check_no_type(asked)

        return completed(request, inputs, T2IAdapter, check, engine)

    def prepare(self, call: Call) -> Prepared | None:
        request, found = call.request, list[_Seen]()
        assert request.height is not None
        assert request.width is not None
        for asked, given in asked_of(call, T2IAdapter):
            net: Any = given.net
            factor = net.downscale_factor
            if request.height % factor or request.width % factor:
                raise ArgumentError(
                    f"the T2I-Adapter takes pictures whose {{width}} and {{height}} are multiples "
                    f"of {factor}, not {request.width}x{request.height}"
                )
            pixels = pixels_of(asked, given, call, net.config.in_channels)
            # each alone, so that none depends on its neighbours to the last bit
            alone = [call.engine.control_features(net, each) for each in pixels.split(1)]
            features = tuple(torch.cat(level) for level in zip(*alone, strict=True))
            found.append(_Seen(asked, features, share_of(asked, call)))
        return _Adapters(call, found) if found else None


@dataclass(frozen=True, eq=False)
class _Seen:
    """What an adapter gave, of each level a row for each picture that was given."""

    asked: ControlAsked
    features: tuple[Tensor, ...]
    share: Share

    def residuals(self, pictures: range, call: Call) -> Residuals:
        """What is added for these pictures."""
        weights = SOFT_LEVELS[-len(self.features) :]
        if self.asked.mode == "balanced" or len(weights) < len(self.features):
            weights = (1.0,) * len(self.features)
        levels = zip(self.features, weights, strict=True)
        scale = self.asked.scale
        return Residuals(features=tuple(rows(x, pictures, call) * (scale * w) for x, w in levels))


class _Adapters(Prepared):
    def __init__(self, call: Call, seen: Sequence[_Seen]) -> None:
        self._call, self._seen = call, seen

    def steering(self, pictures: range, generator: Generators) -> Sequence[Steering]:
        del generator
        call = self._call
        found = [
            (each.share, each.residuals(pictures, call), each.asked.mode in ("guess", "control"))
            for each in self._seen
            if each.asked.scale != 0.0
        ]
        return (Adapted(found),)


class Adapted(Steering):
    """Adds the features at the steps in which adapters act."""

    marks_pictures = True  # a request tells of it

    def __init__(self, features: Sequence[tuple[Share, Residuals, bool]]) -> None:
        self._features, self._step = features, 0

    def begin(self, start: Start) -> Start:
        self._step = start.step
        return start

    def ask(self, call: UNetCall) -> UNetCall:
        total = call.residuals
        for share, residuals, text_alone in self._features:
            if share.holds(self._step) and not (text_alone and call.is_negative):
                total = residuals if total is None else total.plus(residuals)
        return call if total is call.residuals else call._replace(residuals=total)

    def resume(self, step: int, prompt: Prompt) -> Prompt:
        self._step = step
        return prompt

    def after(self, step: Step) -> Step:
        self._step = step.index + 1
        return step


def check_adapter(net: T2IAdapter, unet: UNet2DConditionModel) -> None:
    """Raise ArgumentError where an adapter does not fit the UNet."""
    own = unet.config.block_out_channels
    theirs = [leaving for _, leaving, _ in net.config.levels]
    # SDXL has a level less: the last is added to what the middle gives
    if tuple(theirs[: len(own)]) != own or len(theirs) > len(own) + 1:
        raise ArgumentError(
            f"the T2I-Adapter is for another family of models: its levels have {theirs} channels, "
            f"the UNet's {list(own)}; take one for this model"
        )


def _check_no_type(asked: ControlAsked) -> None:
    if asked.type is not None:
        raise ArgumentError(
            "{control_mode} is for a union of ControlNets, and this is a T2I-Adapter; leave it out"
        )
