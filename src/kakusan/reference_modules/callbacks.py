"""Ready functions for `callback_on_step_end`, under the names that the reference has for them."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, cast

from kakusan.errors import RequestError, shown
from kakusan.later import missing_name

__all__ = [
    "MultiPipelineCallbacks",
    "PipelineCallback",
    "SDCFGCutoffCallback",
    "SDXLCFGCutoffCallback",
    "SDXLControlnetCFGCutoffCallback",
]


def __getattr__(name: str) -> object:
    raise missing_name("kakusan.callbacks", name, __all__)


class PipelineCallback(ABC):
    """A callback that acts at one step of a call.

    Args:
        cutoff_step_ratio: how much of the steps is before it, in [0, 1].
        cutoff_step_index: the step itself, in place of the ratio.

    Attributes:
        tensor_inputs: the tensors that it is shown.

    Raises:
        RequestError: Neither or both are given, or one is out of its range.
    """

    tensor_inputs: Sequence[str]

    def __init__(
        self, cutoff_step_ratio: float | None = 1.0, cutoff_step_index: int | None = None
    ) -> None:
        ratio, index = cutoff_step_ratio, cutoff_step_index
        if (ratio is None) == (index is None):
            raise RequestError("give cutoff_step_ratio, or cutoff_step_index and the ratio as None")
        if ratio is not None and not (type(ratio) in (int, float) and 0.0 <= ratio <= 1.0):
            raise RequestError(
                f"cutoff_step_ratio must be a number from 0 to 1, not {shown(ratio)}"
            )
        if index is not None and not (type(index) is int and index >= 0):
            raise RequestError(f"cutoff_step_index must be a whole number, not {shown(index)}")
        self.cutoff_step_ratio, self.cutoff_step_index = ratio, index

    def cutoff_step(self, pipeline: Any) -> int:
        """The number of the step in this call of `pipeline`."""
        if self.cutoff_step_index is not None:
            return self.cutoff_step_index
        return int(pipeline.num_timesteps * (self.cutoff_step_ratio or 0.0))

    @abstractmethod
    def callback_fn(
        self, pipeline: Any, step_index: int, timestep: Any, callback_kwargs: dict[str, Any]
    ) -> dict[str, Any]:
        """What to do after a step; gives back the tensors."""

    def __call__(
        self, pipeline: Any, step_index: int, timestep: Any, callback_kwargs: dict[str, Any]
    ) -> dict[str, Any]:
        return self.callback_fn(pipeline, step_index, timestep, callback_kwargs)


class SDCFGCutoffCallback(PipelineCallback):
    """Ends guidance after a step, which halves the work of those that follow."""

    tensor_inputs = ("prompt_embeds",)

    def callback_fn(
        self,
        pipeline: Any,
        step_index: int,
        timestep: Any,  # noqa: ARG002
        callback_kwargs: dict[str, Any],
    ) -> dict[str, Any]:
        if step_index == self.cutoff_step(pipeline) and pipeline.do_classifier_free_guidance:
            rows = len(callback_kwargs["prompt_embeds"])
            for name in self.tensor_inputs:
                callback_kwargs[name] = _of_text(callback_kwargs[name], rows)
            pipeline._guidance_scale = 0.0
        return callback_kwargs


class SDXLCFGCutoffCallback(SDCFGCutoffCallback):
    """The same for SDXL."""

    tensor_inputs = ("prompt_embeds", "add_text_embeds", "add_time_ids")


class SDXLControlnetCFGCutoffCallback(SDXLCFGCutoffCallback):
    """The same for SDXL with a ControlNet."""

    tensor_inputs = (*SDXLCFGCutoffCallback.tensor_inputs, "image")


def _of_text(value: Any, rows: int) -> Any:
    """Of both halves of guidance, which have so many rows, the text's; of a list each."""
    if isinstance(value, list):
        return [_of_text(each, rows) for each in cast("list[Any]", value)]
    # guess_mode shows pictures to that half alone
    return value.chunk(2)[-1] if len(value) == rows else value


class MultiPipelineCallbacks:
    """Several callbacks in their order, as one."""

    def __init__(self, callbacks: Sequence[PipelineCallback]) -> None:
        self.callbacks = tuple(callbacks)

    @property
    def tensor_inputs(self) -> list[str]:
        """The tensors that any of them is shown."""
        return list(dict.fromkeys(n for each in self.callbacks for n in each.tensor_inputs))

    def __call__(
        self, pipeline: Any, step_index: int, timestep: Any, callback_kwargs: dict[str, Any]
    ) -> dict[str, Any]:
        for each in self.callbacks:
            callback_kwargs = each(pipeline, step_index, timestep, callback_kwargs)
        return callback_kwargs
