"""What the reference's calls have in common that steer by networks and pictures."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
from torch import Tensor

from kakusan.errors import ArgumentError
from kakusan.inputs import ControlInput, ControlPictures, Inputs, control_pictures, seen_pictures
from kakusan.later import without_later
from kakusan.models import ControlNetModel, ControlNetUnionModel, Model, Steerer, within
from kakusan.pipeline.adapter_strengths import scale_of
from kakusan.pipeline.asked import (
    check_no_request,
    negative_or_embeds,
    texts_or_embeds,
    with_choices_made,
)
from kakusan.pipeline.callbacks import StepCallback
from kakusan.pipeline.latent_diffusion import LatentDiffusionPipeline
from kakusan.pipeline.net_parts import steering_nets
from kakusan.pipeline.stable_diffusion_xl import texts_and_zeros
from kakusan.request import ControlAsked, Request
from kakusan.vocabulary import INPUTS, POOLED, SEEN, Vocabulary

Numbers = float | Sequence[float]
Controls = Sequence[tuple[ControlAsked, ControlInput]]


def called(
    pipe: LatentDiffusionPipeline,
    words: Vocabulary,
    settings: Mapping[str, Any],
    controls: Controls,
    handed_in: Mapping[str, Any] | None = None,
    sized: Mapping[str, Any] | None = None,
) -> Any:
    """What a call gives that is steered; the rest is as the plain pipeline has it.

    Args:
        words: the arguments that such a call has.
        settings: those that were given, but for what the controls were made of.
        handed_in: what else `Inputs` are to have: a picture that is drawn over, and its mask.
        sized: the size that is drawn, and how pictures come to it; None where that is the first
            control picture's.

    Raises:
        UnknownArgumentError: An argument that does not exist.
        RequestError: Anything does not fit.
    """
    said: dict[str, Any] = without_later(settings)
    given = {name: value for name, value in said.items() if value is not None}
    words.check_known(given)
    check_no_request(given.get("prompt"))
    is_xl = bool(pipe.layout.only_here)
    of_inputs: dict[str, Any] = {n: given.pop(n) for n in (*INPUTS, *POOLED) if n in given}
    seen = seen_pictures(*(given.pop(name, None) for name in SEEN))
    nets = tuple(each for _, each in controls)
    inputs = Inputs(**of_inputs, seen=seen, controls=nets, **(handed_in or {}))
    ways = {n: given.pop(n) for n in ("batch_size", "output_type", "return_dict") if n in given}
    step = StepCallback.of_call(
        given.pop("callback_on_step_end", None),
        given.pop("callback_on_step_end_tensor_inputs", ("latents",)),
        given.pop("callback", None),
        given.pop("callback_steps", None),
        pipe._callback_tensor_inputs,  # pyright: ignore[reportPrivateUsage]
        listed=not isinstance(within(getattr(pipe, "controlnet", None)), ControlNetModel),
    )
    wildcards = given.pop("wildcards", None)
    lora_scale = scale_of(given.pop("cross_attention_kwargs", None))
    first = controls[0][1].pictures if controls else None
    texts = _texts(given, inputs, is_xl=is_xl)
    size: Mapping[str, Any] = (
        sized
        if sized is not None
        else {}
        if first is None
        else _size(given, first, pipe.engine.scale_factor)
    )
    request = Request.of(
        **texts,
        **given,
        **size,
        lora_scale=lora_scale,
        controls=tuple(asked for asked, _ in controls) or None,
    )
    request, inputs = with_choices_made(request, inputs, wildcards)
    return pipe._called(  # pyright: ignore[reportPrivateUsage]
        request,
        inputs,
        ways.get("batch_size", 1),
        step,
        ways.get("output_type", "pil"),
        ways.get("return_dict", True),
    )


def _texts(given: dict[str, Any], inputs: Inputs, *, is_xl: bool) -> dict[str, Any]:
    prompt, negative = given.pop("prompt", None), given.pop("negative_prompt", None)
    if is_xl:
        second = given.pop("prompt_2", None), given.pop("negative_prompt_2", None)
        return texts_and_zeros(prompt, second[0], negative, second[1], inputs)
    return {
        "prompt": texts_or_embeds("prompt", prompt, inputs.prompt_embeds),
        "negative_prompt": negative_or_embeds(negative, inputs.negative_prompt_embeds),
    }


def _size(given: dict[str, Any], first: ControlPictures, factor: int) -> dict[str, int]:
    """As large as the first control picture, rounded down, where the call does not say."""
    own = dict(zip(("width", "height"), first.sizes[0], strict=True))
    found = {n: side - side % factor for n, side in own.items() if n not in given}
    if any(side < factor for side in found.values()):
        raise ArgumentError(
            f"the control picture has {own['width']}x{own['height']} pixels, and the smallest that "
            f"is drawn is {factor}x{factor}"
        )
    return found


def controls_of(
    pipe: LatentDiffusionPipeline,
    images: object,
    *,
    name: str = "image",
    scales: Numbers | None = 1.0,
    starts: Numbers | None = 0.0,
    ends: Numbers | None = 1.0,
    guess_mode: bool = False,
    types: Sequence[int] | None = None,
) -> Controls:
    """Each network of a pipeline with its pictures, as the reference's calls take them.

    Args:
        images: of one network a picture, or several, one for each prompt; of several networks a
            list with an entry for each, or a list for each prompt with an entry for each.
        name: of the argument, for messages.
        types: of a union of ControlNets what each picture is of.

    Raises:
        RequestError: There is no network, or the pictures are not as many.
    """
    part, nets = steering_nets(pipe.layout, pipe.components)
    first = nets[0]
    # as in the reference, the first net's pooling decides for all
    pools = isinstance(first, Steerer) and first.config.pools
    mode = "guess" if guess_mode or pools else "balanced"
    if isinstance(within(part), Model):
        nets, pictures = _of_one(first, images, name, types)
    else:
        pictures = _of_several(nets, images, name)
    count = len(nets)
    listed = [
        _each("controlnet_conditioning_scale", scales, count, 1.0),
        _each("control_guidance_start", starts, count, 0.0),
        _each("control_guidance_end", ends, count, 1.0),
    ]
    kinds: Sequence[int | None] = types if types is not None else [None] * count
    made: list[tuple[ControlAsked, ControlInput]] = []
    for net, shown, kind, scale, start, end in zip(nets, pictures, kinds, *listed, strict=True):
        asked = ControlAsked(
            type=kind, scale=scale, start=start, end=end, mode=mode, resize_mode="stretch"
        )
        made.append((asked, ControlInput(net, control_pictures(name, shown))))
    return made


def _of_one(
    net: Model[Any], images: object, name: str, types: Sequence[int] | None
) -> tuple[list[Model[Any]], list[object]]:
    if not isinstance(within(net), ControlNetUnionModel):
        return [net], [images]
    shown: list[object] = [*cast("Sequence[object]", images)] if _is_list(images) else [images]
    if types is None or len(types) != len(shown):
        raise ArgumentError(
            f"{{control_mode}} says what each picture of {{{name}}} is of: {len(shown)} numbers, "
            "not {0}",
            0 if types is None else len(types),
        )
    return [net] * len(shown), shown


def _of_several(nets: Sequence[Model[Any]], images: object, name: str) -> list[object]:
    if not _is_list(images):
        raise ArgumentError(
            f"{{{name}}} must be a list with a picture for each of the {len(nets)} networks"
        )
    shown: list[object] = [*cast("Sequence[object]", images)]
    if any(_is_list(each) for each in shown):  # for each prompt a list
        rows = [[*cast("Sequence[object]", each)] for each in shown if _is_list(each)]
        if len(rows) != len(shown) or len({len(row) for row in rows}) != 1:
            raise ArgumentError(
                f"{{{name}}} has lists for prompts that are not alike; each needs a picture for "
                f"each of the {len(nets)} networks"
            )
        shown = [*map(list, zip(*rows, strict=True))]
    if len(shown) != len(nets):
        raise ArgumentError(
            f"{{{name}}} has pictures for {len(shown)} networks, and there are {len(nets)}"
        )
    return shown


def _is_list(value: object) -> bool:
    return isinstance(value, list | tuple) and not isinstance(value, Tensor | np.ndarray)


def _each(name: str, given: Numbers | None, count: int, default: float) -> list[float]:
    """A number for each network: one stands for all."""
    if given is None:
        return [default] * count
    if not isinstance(given, Sequence):
        return [given] * count
    if len(given) != count:
        raise ArgumentError(
            f"{{{name}}} has {len(given)} numbers for {count} networks; give one, or as many"
        )
    return [*given]
