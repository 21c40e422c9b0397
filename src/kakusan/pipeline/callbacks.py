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
# Of each, the field of a conditioning; the second is of the negative prompt, the first of both
_HALVES = {
    "prompt_embeds": ("negative_prompt_embeds", "tokens"),
    "add_text_embeds": ("negative_pooled_prompt_embeds", "pooled"),
    "add_time_ids": ("negative_add_time_ids", "sizes"),
}
XL_TENSORS = ("latents", *(name for both, (one, _) in _HALVES.items() for name in (both, one)))
ALTERED = "callback_on_step_end changed or stopped it"


@dataclass(frozen=True)
class StepCallback:
    """A caller's function with the names of the tensors that it is shown."""

    function: Callable[[Any, int, Tensor, dict[str, Tensor]], Any]
    shown: Sequence[str]

    @classmethod
    def of(
        cls,
        function: Callable[..., Any] | None,
        inputs: Sequence[str] | None,
        known: Sequence[str] = TENSORS,
    ) -> Self | None:
        """The checked callback; None where the caller has none.

        A callback that has `tensor_inputs`, as the reference's own have, says itself what it is
        shown.

        Args:
            known: The tensors of the loop.

        Raises:
            RequestError: Not a function, or a name that is no tensor of the loop.
        """
        names: object = getattr(function, "tensor_inputs", inputs or ())
        several = names if isinstance(names, Sequence) and not isinstance(names, str) else [names]
        for name in cast("Sequence[object]", several):
            if name not in known:
                found = nearest(str(name), known)
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
        known: Sequence[str] = TENSORS,
    ) -> Self | None:
        """The callback that a call was given, in its newer or its older form.

        Raises:
            RequestError: Both were given, or one that `of` or `of_old` refuses.
        """
        if function is not None and older is not None:
            raise ArgumentError("give {callback_on_step_end} or the older {callback}, not both")
        found = cls.of_old(older, every)
        return cls.of(function, inputs, known) or found

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
            ends = done > first and done in scheduler.starts
            if index % steps == 0 and (ends or done == owner.num_timesteps):
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
        first: the number of the first that is taken.
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
        first: int = 0,
    ) -> None:
        self._callback, self._owner, self._call = callback, owner, call
        self._timesteps, self._altered, self._first = timesteps, altered, first

    def after(self, step: Step) -> Step:
        call, seen = self._call, self._tensors(step)
        call.guidance = step.guidance
        copies = {name: tensor.clone() for name, tensor in seen.items()}
        given = dict(copies)
        call.in_callback = True
        try:
            returned = self._callback.function(
                self._owner, step.index - self._first, self._timesteps[step.index], given
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
        """What the function is shown; under guidance both halves, the negative one first."""
        found: dict[str, Tensor] = {}
        for name in self._callback.shown:
            if name == "latents":
                found[name] = step.latents
                continue
            both = next(both for both, (one, _) in _HALVES.items() if name in (both, one))
            field = _HALVES[both][1]
            text: Tensor = getattr(step.prompt.text, field)
            negative = step.prompt.negative
            of_negative = text[:0] if negative is None else getattr(negative, field)
            if name == both and of_negative.shape[1:] != text.shape[1:]:
                raise RequestError(
                    f"{name} of the prompt have {text.shape[1]} tokens and those of the negative "
                    f"prompt {of_negative.shape[1]}, which make no one tensor for "
                    "callback_on_step_end; give texts of one length, in chunks of 75 tokens, or "
                    "pad_conds=True under webui"
                )
            found[name] = torch.cat([of_negative, text]) if name == both else of_negative
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
        if name not in _HALVES or value.shape[1:] != seen[name].shape[1:]:
            check_shape(name, value, seen[name].shape)
    return changed


def _is_same(value: Tensor, seen: Tensor) -> bool:
    return value.shape == seen.shape and torch.equal(value.to(seen), seen)


def _prompt(prompt: Prompt, changed: Mapping[str, Tensor]) -> Prompt:
    """The prompt with those of its tensors that were changed."""
    text, negative = prompt.text, prompt.negative
    halves: dict[str, Tensor | None] = {}
    for both, (_, field) in _HALVES.items():
        if both in changed:
            halves[field], own = _halves(both, changed[both], len(text))
            text = replace(text, **{field: own})
    if halves and all(half is None for half in halves.values()):
        negative = None
    elif halves:
        if any(half is None for half in halves.values()):
            raise RequestError(
                f"of {' and '.join(name for name in _HALVES if name in changed)}, either all have "
                "the negative half or none"
            )
        negative = replace(negative or text, **halves)
    for one, field in _HALVES.values():
        if one in changed and negative is not None:
            negative = replace(negative, **{field: changed[one]})
    if (text, negative) == (prompt.text, prompt.negative):
        return prompt
    return prompt._replace(text=text, negative=negative)


def _halves(name: str, both: Tensor, pictures: int) -> tuple[Tensor | None, Tensor]:
    """The negative half, if there is one, and the text's: a row for each picture."""
    if len(both) == pictures:
        return None, both
    if len(both) != 2 * pictures:
        raise RequestError(
            f"{name} of callback_on_step_end have {len(both)} rows; for {pictures} "
            f"picture(s) there are {2 * pictures} with the negative half first, or {pictures} "
            "where pipe._guidance_scale is at most 1"
        )
    return both[:pictures], both[pictures:]
