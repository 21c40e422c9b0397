"""`callback_on_step_end`: a caller's function that sees and changes what a step leaves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, cast

import torch
from torch import Tensor

from kakusan.errors import RequestError, check_no_unknown, nearest
from kakusan.generation import Step, StepChange
from kakusan.pipeline.given import check_shape, check_tensor
from kakusan.pipeline.run import Run

if TYPE_CHECKING:
    from kakusan.pipeline.stable_diffusion import StableDiffusionPipeline

TENSORS: tuple[str, ...] = ("latents", "prompt_embeds", "negative_prompt_embeds")


@dataclass(frozen=True)
class StepCallback:
    """A caller's function with the names of the tensors that it is shown."""

    function: Callable[[StableDiffusionPipeline, int, Tensor, dict[str, Tensor]], Any]
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

    def __call__(self, run: Run, step: Step, embeddings: Tensor) -> StepChange:
        """Call it after `step`; `embeddings` have the unconditional half first under guidance."""
        negative = embeddings.chunk(2)[0] if run.guidance.on else embeddings[:0]
        tensors = dict(zip(TENSORS, (step.latents, embeddings, negative), strict=True))
        timestep = run.scheduler.timesteps[step.index]
        seen = {name: tensors[name] for name in self.shown}
        returned = self.function(run.pipe, step.index, timestep, dict(seen))
        changed = _changed({} if returned is None else returned, seen)
        new_embeddings = changed.get("prompt_embeds")
        if "negative_prompt_embeds" in changed and run.guidance.on:
            text = changed.get("prompt_embeds", tensors["prompt_embeds"]).chunk(2)[1]
            new_embeddings = torch.cat([changed["negative_prompt_embeds"], text])
        return StepChange(
            latents=changed.get("latents"),
            embeddings=new_embeddings,
            stop=run.pipe._interrupt,  # pyright: ignore[reportPrivateUsage]  the reference's name
        )


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
