"""`callback_on_step_end`: a caller's function that sees and changes what a step leaves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor

from kakusan.errors import RequestError, check_no_unknown, nearest
from kakusan.generation import Step, StepChange
from kakusan.pipeline.run import Run

if TYPE_CHECKING:
    from kakusan.pipeline.stable_diffusion import StableDiffusionPipeline

TENSORS: tuple[str, ...] = ("latents", "prompt_embeds", "negative_prompt_embeds")


@dataclass(frozen=True)
class StepCallback:
    """A caller's function with the names of the tensors that it is shown.

    Raises:
        RequestError: A name that is no tensor of the loop.
    """

    function: Callable[[StableDiffusionPipeline, int, Tensor, dict[str, Tensor]], Any]
    shown: Sequence[str]

    def __post_init__(self) -> None:
        for name in self.shown:
            if name not in TENSORS:
                raise RequestError(
                    f"callback_on_step_end_tensor_inputs has no {name!r}.{nearest(name, TENSORS)}"
                )

    def __call__(self, run: Run, step: Step, embeddings: Tensor) -> StepChange:
        """Call it after `step`; `embeddings` have the unconditional half first under guidance."""
        negative = embeddings.chunk(2)[0] if run.guidance.on else embeddings[:0]
        tensors = dict(zip(TENSORS, (step.latents, embeddings, negative), strict=True))
        timestep = run.scheduler.timesteps[step.index]
        seen = {name: tensors[name] for name in self.shown}
        returned: Mapping[str, Any] = self.function(run.pipe, step.index, timestep, seen) or {}
        check_no_unknown("the result of callback_on_step_end", set(returned) - set(seen), seen)
        return StepChange(
            latents=returned.get("latents"),
            embeddings=returned.get("prompt_embeds"),
            stop=run.pipe._interrupt,  # pyright: ignore[reportPrivateUsage]  the reference's name
        )
