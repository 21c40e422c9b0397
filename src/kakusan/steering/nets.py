"""What both kinds of networks that steer have in common: which pictures, when, and how strongly."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from kakusan.engine import Engine
from kakusan.errors import ArgumentError, kind_of, shown
from kakusan.inputs import ControlInput, Inputs
from kakusan.inputs.pictures import told
from kakusan.models import Model
from kakusan.request import ControlAsked, Request
from kakusan.request.controls import row_of
from kakusan.steering.hints import shown_to
from kakusan.steering.img2img import unasked
from kakusan.steering.way import Call, Completed

# Levels of AUTOMATIC1111's soft weights: each finer residual counts so much less
SOFT = 0.825


@dataclass(frozen=True)
class Share:
    """The part of the steps in which a network acts.

    Attributes:
        first: the number of the step that is taken first.
        total: how many steps there are from that one on.
    """

    start: float
    end: float
    first: int
    total: int

    def holds(self, step: int) -> bool:
        """Whether a step is in it, by the reference's rule."""
        i, n = step - self.first, self.total
        return not (i / n < self.start or (i + 1) / n > self.end)


def asked_of(call: Call, kind: type[Model[Any]]) -> Iterator[tuple[ControlAsked, ControlInput]]:
    """What a call asks of networks of a kind."""
    controls = call.request.controls or ()
    for asked, given in zip(controls, call.inputs.controls, strict=True):
        if isinstance(given.net, kind):
            yield asked, given


def share_of(asked: ControlAsked, call: Call) -> Share:
    """When a network acts."""
    return Share(asked.start, asked.end, call.span.start, max(call.total - call.span.start, 1))


def pixels_of(asked: ControlAsked, given: ControlInput, call: Call, channels: int) -> Tensor:
    """What a network reads of the pictures that it is shown, (n, channels, height, width)."""
    return shown_to(
        asked, given.pictures, call.request, call.inputs, channels, call.engine.scale_factor
    )


def rows(tensor: Tensor, pictures: range, call: Call) -> Tensor:
    """Of what was made of the pictures that were given, the rows for these; one stands for all."""
    given, request = len(tensor), call.request
    if given == 1:
        return tensor
    per_prompt, count = request.num_images_per_prompt, request.num_pictures
    return tensor[[row_of(index, given, per_prompt, count) for index in pictures]]


def completed(
    request: Request,
    inputs: Inputs,
    kind: type[Model[Any]],
    check: Callable[[Model[Any], ControlAsked], None],
    engine: Engine,
) -> Completed:
    """A request with which pictures networks of a kind are shown, checked against these.

    Args:
        check: raises where a network does not fit the model.

    Raises:
        ArgumentError: Something is missing, or another than the request tells of.
    """
    controls, given = request.controls or (), inputs.controls
    if len(controls) != len(given):
        raise ArgumentError(
            f"the request asks for {len(controls)} networks that steer, and {len(given)} were "
            "handed in; hand in as many, each with its picture"
        )
    if any(each.net is None for each in given):
        raise ArgumentError("a network of {controls} was named, and not loaded; hand it in")
    if not any(isinstance(each.net, kind) for each in given):
        return Completed(request)
    if request.quality_budget is not None:
        raise ArgumentError(
            "what {quality_budget} would cost was not measured for pictures that are steered; "
            "leave it out, and take fewer steps"
        )
    request = _sized(request, given[0], engine)
    found: list[ControlAsked] = []
    for asked, there in zip(controls, given, strict=True):
        found.append(_told(asked, there, request) if isinstance(there.net, kind) else asked)
        if isinstance(there.net, kind):
            check(there.net, asked)
    return Completed(replace(request, controls=tuple(found)))


def _told(asked: ControlAsked, given: ControlInput, request: Request) -> ControlAsked:
    files, count = given.pictures.files(), request.num_pictures
    if len(files) not in (1, len(request.prompt), count):
        raise ArgumentError(
            f"{len(files)} control pictures were given for {count} pictures; give one for all, or "
            "as many as prompts"
        )
    if asked.image is not None and [a.sha256 for a in asked.image] != [f.sha256 for f in files]:
        raise ArgumentError(
            "the request is steered by the picture {0}, and {1} was handed in; give that one",
            told(asked.image[0]),
            told(files[0]),
        )
    own = None if given.net is None else given.net.name_or_path
    return asked._replace(image=asked.image or files, model=asked.model or own)


def _sized(request: Request, given: ControlInput, engine: Engine) -> Request:
    """As large as the first control picture, rounded down, where nothing else says the size.

    Of a far larger one about as large as the model's own, in its shape.
    """
    if request.height is not None and request.width is not None:
        return request
    width, height = given.pictures.sizes[0]
    factor = engine.scale_factor
    wide, high = unasked(width, height, engine)[0]
    own = {"height": int(high) - int(high) % factor, "width": int(wide) - int(wide) % factor}
    if min(own.values()) < factor:
        raise ArgumentError(
            "the control picture has {0}x{1} pixels, and the smallest that is drawn is {2}x{2}; "
            "say with {width} and {height} how large",
            *(width, height, factor),
        )
    return replace(
        request, height=request.height or own["height"], width=request.width or own["width"]
    )


def check_family(name: str, theirs: int, own: int, said: str) -> None:
    """Raise ArgumentError where a network is another family's than the UNet.

    Args:
        said: what the two numbers are.
    """
    if theirs != own:
        families = {768: "Stable Diffusion 1", 1024: "Stable Diffusion 2", 2048: "SDXL"}
        whose = [f" (as of {families[each]})" if each in families else "" for each in (theirs, own)]
        raise ArgumentError(
            f"the {name} is for another family of models: its {said} is {theirs}{whose[0]}, the "
            f"UNet's {own}{whose[1]}; take one for this model"
        )


def refuse_net(net: object) -> None:
    """Raise ArgumentError for what is no network that steers."""
    raise ArgumentError(f"{shown(kind_of(net))} is no network that steers pictures")
