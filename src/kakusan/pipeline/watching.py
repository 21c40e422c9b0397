"""What a callback does to the way of pictures, after each step of it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor

from kakusan.errors import RequestError, check_no_unknown
from kakusan.inputs import check_shape, check_tensor
from kakusan.models import within
from kakusan.pipeline.callbacks import StepCallback
from kakusan.pipeline.running import RunningCall
from kakusan.pipeline.shown_tensors import (
    BOTH,
    STEERED_BY,
    changed_prompt,
    check_distilled,
    of_guidance,
    of_prompt,
    own_name,
    parted,
    together,
)
from kakusan.sampling import Steering, Step, Watched

ALTERED = "callback_on_step_end changed or stopped it"


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
        owner: Any,
        call: RunningCall,
        timesteps: Tensor,
        altered: dict[int, str],
        first: int = 0,
    ) -> None:
        self._callback, self._owner, self._call = callback, owner, call
        self._timesteps, self._altered, self._first = timesteps, altered, first
        self._watched: list[Watched] = []

    def beside(self, others: Sequence[Steering]) -> None:
        self._watched = [each for each in others if isinstance(each, Watched)]
        for name in self._callback.shown:  # what cannot be shown is told before the first step
            for each in self._watched:
                each.seen(own_name(name))

    def after(self, step: Step) -> Step:
        call, seen = self._call, self._tensors(step)
        call.guidance = step.guidance
        copies = {name: tensor.clone() for name, tensor in seen.items()}
        given = self._as_shown(copies)
        call.in_callback = True
        try:
            returned = self._callback.function(
                self._owner, step.index - self._first, self._timesteps[step.index], given
            )
        finally:
            call.in_callback = False
        result = self._as_seen(given if returned is None else returned, seen)
        changed = _changed(copies | result, seen)
        if changed or call.interrupt or call.guidance != step.guidance:
            self._altered.update(dict.fromkeys(step.pictures, ALTERED))
            check_distilled(changed, step)
            self._steer_by(changed, seen, step)
            latents = changed.get("latents", step.latents)
            step = replace(
                step,
                latents=changed.get("denoised", latents),
                prompt=changed_prompt(
                    step.prompt, {own_name(name): each for name, each in changed.items()}
                ),
                guidance=call.guidance,
                stop=call.interrupt,
            )
        return step

    def _as_shown(self, tensors: Mapping[str, Tensor]) -> dict[str, Any]:
        """Under each name its tensor, or the list of its tensors."""
        found: dict[str, Any] = {}
        for name in self._callback.shown:
            is_list = self._callback.listed and own_name(name) == "control_image"
            several = [tensors[key] for key in tensors if _named(key) == name]
            found[name] = several if is_list else several[0]
        return found

    def _as_seen(self, returned: object, seen: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The tensors that a callback gave back, each by itself."""
        result: dict[str, Tensor] = {}
        for name, value in _checked(returned, self._callback.shown).items():
            keys = [key for key in seen if _named(key) == name]
            is_list = isinstance(value, list | tuple)
            values = cast("Sequence[Tensor]", value if is_list else [value])
            if len(values) != len(keys):
                raise RequestError(
                    f"{name} of callback_on_step_end must be {len(keys)} tensor(s), as it was "
                    f"shown, not {len(values)}"
                )
            result.update(zip(keys, values, strict=True))
        return result

    def _steer_by(
        self, changed: Mapping[str, Tensor], seen: Mapping[str, Tensor], step: Step
    ) -> None:
        """Have what steers the pictures do so by the tensors that were changed."""
        for name in dict.fromkeys(_named(key) for key in changed):
            if own_name(name) not in STEERED_BY:
                continue
            keys = [key for key in seen if _named(key) == name]
            values = iter([changed.get(key, seen[key]) for key in keys])
            for each in self._watched:
                before = each.seen(own_name(name))
                if before:
                    after = [parted(name, next(values), half, step) for half in before]
                    each.take(own_name(name), after)

    def _tensors(self, step: Step) -> dict[str, Tensor]:
        """What the function is shown; under guidance both halves, the negative one first."""
        found: dict[str, Tensor] = {}
        for name in self._callback.shown:
            if name in ("latents", "denoised"):
                found[name] = step.latents if name == "latents" else step.denoised
                continue
            if name == "w_embedding":
                found[name] = of_guidance(within(self._owner.unet), step)
                continue
            if own_name(name) in STEERED_BY:
                shown = [h for each in self._watched for h in each.seen(own_name(name))]
                found |= {f"{name} {i}": together(half, step) for i, half in enumerate(shown)}
                continue
            found[name] = of_prompt(name, step.prompt)
        return found


def _named(key: str) -> str:
    """What a callback is shown a tensor under, which may be one of several."""
    return key.split(" ")[0]


def _checked(returned: object, known: Sequence[str]) -> dict[str, Any]:
    """The mapping that a callback gave back, of tensors that it was shown."""
    where = "the result of callback_on_step_end"
    if not isinstance(returned, Mapping):
        raise RequestError(f"{where} must be a mapping or None, not a {type(returned).__name__}")
    result = cast("Mapping[str, Any]", returned)
    check_no_unknown(where, set(result) - set(known), known)
    return {name: value for name, value in result.items() if value is not None}


def _changed(result: Mapping[str, Tensor], seen: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors that are others than those which a callback was shown, checked against them."""
    for name, value in result.items():
        check_tensor(_named(name), value)
    changed = {
        name: value.to(seen[name])
        for name, value in result.items()
        if not _is_same(value, seen[name])
    }
    for name, value in changed.items():
        has_halves = name in BOTH or own_name(_named(name)) in STEERED_BY
        if not has_halves or value.shape[1:] != seen[name].shape[1:]:
            check_shape(_named(name), value, seen[name].shape)
    return changed


def _is_same(value: Tensor, seen: Tensor) -> bool:
    return value.shape == seen.shape and torch.equal(value.to(seen), seen)
