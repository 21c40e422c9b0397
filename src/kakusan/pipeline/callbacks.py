"""`callback_on_step_end`: a caller's function that sees and changes what a step leaves."""

from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any, Self, cast

import torch
from torch import Tensor

from kakusan.errors import RequestError, check_no_unknown, nearest
from kakusan.inputs import check_shape, check_tensor
from kakusan.models import Conditioning
from kakusan.sampling import Prompt, Steering, Step

TENSORS: tuple[str, ...] = ("latents", "prompt_embeds", "negative_prompt_embeds")
# The pipelines, by their ids, that were asked to stop in this thread, which a call is of
_STOPPED: ContextVar[frozenset[int]] = ContextVar("stopped", default=frozenset())


def is_stopped(pipeline: object) -> bool:
    """Whether the pipeline was asked to stop in the call that runs here."""
    return id(pipeline) in _STOPPED.get()


def stop(pipeline: object, stopped: bool) -> None:
    """Ask the pipeline to stop after this step, or take that back."""
    own = frozenset({id(pipeline)})
    _STOPPED.set(_STOPPED.get() | own if stopped else _STOPPED.get() - own)


@dataclass(frozen=True)
class StepCallback:
    """A caller's function with the names of the tensors that it is shown."""

    function: Callable[[Any, int, Tensor, dict[str, Tensor]], Any]
    shown: Sequence[str]

    @classmethod
    def of(cls, function: Callable[..., Any] | None, shown: Sequence[str]) -> Self | None:
        """The checked callback; None where the caller has none.

        Raises:
            RequestError: Not a function, or a name that is no tensor of the loop.
        """
        for name in shown:
            if name not in TENSORS:
                raise RequestError(
                    f"callback_on_step_end_tensor_inputs has no {name!r}.{nearest(name, TENSORS)}"
                )
        if function is not None and not callable(function):
            raise RequestError(f"callback_on_step_end must be a function, not {function!r:.60}")
        return None if function is None else cls(function, shown)


class CallbackSteering(Steering):
    """Calls a function after each step of a trajectory, and does as it says.

    Args:
        owner: the pipeline that the function is shown.
        timesteps: of the run, for the function.
        altered: takes the numbers of the pictures that the function changed, and why.
    """

    marks_pictures = True

    def __init__(
        self, callback: StepCallback, owner: object, timesteps: Tensor, altered: dict[int, str]
    ) -> None:
        self._callback, self._owner = callback, owner
        self._timesteps, self._altered = timesteps, altered

    def after(self, step: Step) -> Step:
        seen = self._tensors(step)
        returned = self._callback.function(
            self._owner, step.index, self._timesteps[step.index], dict(seen)
        )
        changed = _changed({} if returned is None else returned, seen)
        stopped = is_stopped(self._owner)
        if changed or stopped:
            why = "callback_on_step_end changed or stopped it"
            self._altered.update(dict.fromkeys(step.pictures, why))
            latents, prompt = changed.get("latents", step.latents), _prompt(step.prompt, changed)
            step = replace(step, latents=latents, prompt=prompt, stop=stopped)
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


def _prompt(prompt: Prompt, changed: Mapping[str, Tensor]) -> Prompt:
    """The prompt with those of its halves that were changed."""
    text, negative = prompt
    if "prompt_embeds" in changed:
        *first, last = changed["prompt_embeds"].split(len(text))
        text = Conditioning(last, text.pooled, text.sizes)
        if negative is not None:
            negative = Conditioning(first[0], negative.pooled, negative.sizes)
    if "negative_prompt_embeds" in changed and negative is not None:
        negative = Conditioning(changed["negative_prompt_embeds"], negative.pooled, negative.sizes)
    return prompt if (text, negative) == prompt else Prompt(text, negative)


def _changed(returned: object, seen: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors that a callback gave back new, checked against those that it was shown."""
    where = "the result of callback_on_step_end"
    if not isinstance(returned, Mapping):
        raise RequestError(f"{where} must be a mapping or None, not a {type(returned).__name__}")
    result = cast("Mapping[str, Tensor | None]", returned)
    check_no_unknown(where, set(result) - set(seen), seen)
    changed = {
        name: value
        for name, value in result.items()
        if value is not None and value is not seen[name]
    }
    for name, value in changed.items():
        check_tensor(name, value)
        check_shape(name, value, seen[name].shape)
    return changed
