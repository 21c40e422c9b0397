"""`callback_on_step_end`: a caller's function that sees and changes what a step leaves."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self, cast

import torch
from torch import Tensor

from kakusan.errors import ArgumentError, RequestError, check_no_unknown, nearest, shown
from kakusan.inputs import check_shape, check_tensor
from kakusan.pipeline.running import RunningCall
from kakusan.sampling import Prompt, Steering, Step

TENSORS: tuple[str, ...] = ("latents", "prompt_embeds", "negative_prompt_embeds")
ALTERED = "callback_on_step_end changed or stopped it"


@dataclass(frozen=True)
class StepCallback:
    """A caller's function with the names of the tensors that it is shown."""

    function: Callable[[Any, int, Tensor, dict[str, Tensor]], Any]
    shown: Sequence[str]

    @classmethod
    def of(cls, function: Callable[..., Any] | None, inputs: Sequence[str] | None) -> Self | None:
        """The checked callback; None where the caller has none.

        A callback that has `tensor_inputs`, as the reference's own have, says itself what it is
        shown.

        Raises:
            RequestError: Not a function, or a name that is no tensor of the loop.
        """
        names: object = getattr(function, "tensor_inputs", inputs or ())
        several = names if isinstance(names, Sequence) and not isinstance(names, str) else [names]
        for name in cast("Sequence[object]", several):
            if name not in TENSORS:
                found = nearest(str(name), TENSORS)
                raise RequestError(
                    f"callback_on_step_end_tensor_inputs has no {shown(name)}.{found}"
                )
        if function is not None and not callable(function):
            raise RequestError(f"callback_on_step_end must be a function, not {shown(function)}")
        return None if function is None else cls(function, cast("Sequence[str]", several))

    @classmethod
    def of_call(
        cls,
        function: Callable[..., Any] | None,
        inputs: Sequence[str] | None,
        older: Callable[..., Any] | None,
        every: object,
    ) -> Self | None:
        """The callback that a call was given, in its newer or its older form.

        Raises:
            RequestError: Both were given, or one that `of` or `of_old` refuses.
        """
        if function is not None and older is not None:
            raise ArgumentError("give {callback_on_step_end} or the older {callback}, not both")
        found = cls.of_old(older, every)
        return cls.of(function, inputs) or found

    @classmethod
    def of_old(cls, function: Callable[..., Any] | None, every: object) -> Self | None:
        """The older form of a callback: a function (index, timestep, latents), every so many steps.

        It is not called for calls of the UNet that only begin a step: Heun's first of each two, and
        the one that PNDM begins with.

        Raises:
            RequestError: Not a function, or not a whole number of steps above 0.
        """
        steps = 1 if every is None else every
        if type(steps) is not int or steps < 1:
            raise RequestError(f"callback_steps must be a whole number above 0, not {shown(every)}")
        if function is None:
            return None
        if not callable(function):
            raise RequestError(f"callback must be a function, not {shown(function)}")

        def called(owner: Any, index: int, timestep: Tensor, tensors: dict[str, Tensor]) -> None:
            scheduler, done = owner.scheduler, index + 1
            first = len(scheduler.timesteps) - scheduler.num_inference_steps * scheduler.order
            ends = done > first and done % scheduler.order == 0
            if index % steps == 0 and (ends or done == len(scheduler.timesteps)):
                function(index // scheduler.order, timestep, tensors["latents"])

        return cls(called, ("latents",))


class CallbackSteering(Steering):
    """Calls a function after each step of a trajectory, and does as it says.

    The function is shown copies: what it changes in place is found and goes on, and what the caller
    handed in stays as it was.

    Args:
        owner: the pipeline that the function is shown.
        call: where the function finds and changes guidance, and asks to stop.
        timesteps: of the run, for the function.
        altered: takes the numbers of the pictures that the function changed, and why.
    """

    marks_pictures = True

    def __init__(
        self,
        callback: StepCallback,
        owner: object,
        call: RunningCall,
        timesteps: Tensor,
        altered: dict[int, str],
    ) -> None:
        self._callback, self._owner, self._call = callback, owner, call
        self._timesteps, self._altered = timesteps, altered

    def after(self, step: Step) -> Step:
        call, seen = self._call, self._tensors(step)
        call.guidance = step.guidance
        copies = {name: tensor.clone() for name, tensor in seen.items()}
        given = dict(copies)
        call.in_callback = True
        try:
            returned = self._callback.function(
                self._owner, step.index, self._timesteps[step.index], given
            )
        finally:
            call.in_callback = False
        result = _checked(given if returned is None else returned, seen)
        changed = _changed(copies | result, seen)
        if changed or call.interrupt or call.guidance != step.guidance:
            self._altered.update(dict.fromkeys(step.pictures, ALTERED))
            step = replace(
                step,
                latents=changed.get("latents", step.latents),
                prompt=_prompt(step.prompt, changed),
                guidance=call.guidance,
                stop=call.interrupt,
            )
        return step

    def _tensors(self, step: Step) -> dict[str, Tensor]:
        """What the function is shown: under guidance, prompts have the negative half first."""
        text, negative = step.prompt.text.tokens, step.prompt.negative
        found: dict[str, Tensor] = {}
        for name in self._callback.shown:
            if name == "latents":
                found[name] = step.latents
            elif name == "prompt_embeds":
                found[name] = text if negative is None else torch.cat([negative.tokens, text])
            else:
                found[name] = text[:0] if negative is None else negative.tokens
        return found


def _checked(returned: object, seen: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The mapping that a callback gave back, of tensors that it was shown."""
    where = "the result of callback_on_step_end"
    if not isinstance(returned, Mapping):
        raise RequestError(f"{where} must be a mapping or None, not a {type(returned).__name__}")
    result = cast("Mapping[str, Tensor | None]", returned)
    check_no_unknown(where, set(result) - set(seen), seen)
    return {name: value for name, value in result.items() if value is not None}


def _changed(result: Mapping[str, Tensor], seen: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors that are others than those which a callback was shown, checked against them."""
    for name, value in result.items():
        check_tensor(name, value)
    changed = {
        name: value.to(seen[name])
        for name, value in result.items()
        if not _is_same(value, seen[name])
    }
    for name, value in changed.items():
        if name != "prompt_embeds" or value.shape[1:] != seen[name].shape[1:]:
            check_shape(name, value, seen[name].shape)
    return changed


def _is_same(value: Tensor, seen: Tensor) -> bool:
    return value.shape == seen.shape and torch.equal(value.to(seen), seen)


def _prompt(prompt: Prompt, changed: Mapping[str, Tensor]) -> Prompt:
    """The prompt with those of its halves that were changed."""
    text, negative = prompt
    if "prompt_embeds" in changed:
        negative_half, text_half = _halves(changed["prompt_embeds"], len(text))
        text = replace(text, tokens=text_half)
        negative = (
            None if negative_half is None else replace(negative or text, tokens=negative_half)
        )
    if "negative_prompt_embeds" in changed and negative is not None:
        negative = replace(negative, tokens=changed["negative_prompt_embeds"])
    return prompt if (text, negative) == prompt else Prompt(text, negative)


def _halves(embeds: Tensor, pictures: int) -> tuple[Tensor | None, Tensor]:
    """The negative half, if there is one, and the text's: a row for each picture."""
    if len(embeds) == pictures:
        return None, embeds
    if len(embeds) != 2 * pictures:
        raise RequestError(
            f"prompt_embeds of callback_on_step_end have {len(embeds)} rows; for {pictures} "
            f"picture(s) there are {2 * pictures} with the negative half first, or {pictures} "
            "where pipe._guidance_scale is at most 1"
        )
    return embeds[:pictures], embeds[pictures:]
