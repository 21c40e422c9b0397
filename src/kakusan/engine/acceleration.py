"""The UNet's calls launched as one on a CUDA device: recorded, and compiled before if asked for."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from kakusan.engine.cuda_graph import GraphedCalls
from kakusan.errors import RequestError, nearest, shown
from kakusan.models import AddedConditioning, UNet2DConditionModel

WAYS = ("graphs", "compile")
Calls = Callable[..., Tensor]


class Acceleration:
    """Recorded calls of a pipeline's UNet; made anew where the pipeline got another UNet.

    The keys and values of the text are computed in each call, and little is lost by it: those that
    a `TextContext` holds are not in the recording's memory.

    Args:
        by: "graphs" records the UNet's kernels; "compile" has torch.compile make others first.
    """

    def __init__(self, by: str) -> None:
        self._by = by
        self._recorded: tuple[UNet2DConditionModel, Calls] | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy records anew: recordings are of memory that it does not have."""
        return Acceleration, (self._by,)

    def calls_of(self, unet: UNet2DConditionModel) -> Calls:
        """A function (sample, timestep, embeddings) -> prediction that replays recordings.

        With SDXL it takes the pooled text and the sizes after them.
        """
        if self._recorded is None or self._recorded[0] is not unet:
            self._recorded = (unet, recorded(unet, self._by))
        return self._recorded[1]


def check_acceleration(by: str, device: torch.device, *, offloaded: bool) -> None:
    """Raise RequestError unless `by` names a way that this device and pipeline can go."""
    if by not in WAYS:
        raise RequestError(f"accelerate has no way {shown(by)}.{nearest(str(by), WAYS)}")
    if offloaded:
        raise RequestError(
            "a recording needs weights that stay on the device; choose accelerate or "
            'enable_model_cpu_offload, and end either with pipe.to("cuda")'
        )
    if device.type != "cuda":
        raise RequestError(
            f'accelerate("{by}") needs a CUDA device, and this pipeline is on {device}; '
            'move it first with pipe.to("cuda"), or leave accelerate out'
        )


def recorded(unet: UNet2DConditionModel, by: str) -> Calls:
    """The UNet's whole calls, to be recorded; compiled before if `by` is "compile"."""

    def call(sample: Tensor, timestep: Tensor, embeddings: Tensor, *added: Tensor) -> Tensor:
        conditioning = AddedConditioning(*added) if added else None
        return unet(sample, timestep, embeddings, conditioning)[0]

    function: Calls = call
    if by == "compile":
        # with graphs of its own it would hand out memory that the next call overwrites
        function = torch.compile(call, mode="max-autotune-no-cudagraphs", dynamic=False)
    return GraphedCalls(function, list(unet.parameters()))
