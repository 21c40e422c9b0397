"""What the loop calls in a UNet's place where a call of it is more than the network."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from kakusan.errors import RequestError, nearest
from kakusan.models import DeepFeature, TextContext, UNet2DConditionModel
from kakusan.runtime.cuda_graph import GraphedCalls
from kakusan.runtime.offload import Offload

ACCELERATIONS = ("graphs", "compile")
Calls = Callable[..., Tensor]


class LoopUNet:
    """Stands in for a UNet in the loop, and is the network itself in all that this leaves open."""

    def __init__(self, unet: UNet2DConditionModel) -> None:
        self.unet = unet

    @property
    def compute_dtype(self) -> torch.dtype:
        """The network's."""
        return self.unet.compute_dtype

    def __call__(
        self,
        sample: Tensor,
        timestep: Tensor,
        *,
        encoder_hidden_states: TextContext,
        deep: DeepFeature | None = None,
    ) -> Sequence[Tensor]:
        return self.call(sample, timestep, encoder_hidden_states, deep)

    def call(
        self, sample: Tensor, timestep: Tensor, context: TextContext, deep: DeepFeature | None
    ) -> Sequence[Tensor]:
        """What a call of the network gives."""
        return self.unet(sample, timestep, encoder_hidden_states=context, deep=deep)

    def widened(self) -> "UNet2DConditionModel | LoopUNet":
        """The network's float32 twin, on its own."""
        return self.unet.widened()


class OffloadedUNet(LoopUNet):
    """A UNet that is on the device for each of its calls, and until another part's turn comes."""

    def __init__(self, unet: UNet2DConditionModel, offload: Offload) -> None:
        super().__init__(unet)
        self._offload = offload

    def call(
        self, sample: Tensor, timestep: Tensor, context: TextContext, deep: DeepFeature | None
    ) -> Sequence[Tensor]:
        with self._offload.use(self.unet):
            return super().call(sample, timestep, context, deep)

    def widened(self) -> "OffloadedUNet":
        """The float32 twin, which takes the network's place on the device."""
        with self._offload.use(self.unet):
            return OffloadedUNet(self.unet.widened(), self._offload)


class AcceleratedUNet(LoopUNet):
    """A UNet whose whole calls are replayed from recordings; those that reuse features are not.

    The keys and values of the text are computed in each call, and little is lost by it: those that
    a `TextContext` holds are not in the recording's memory.
    """

    def __init__(self, unet: UNet2DConditionModel, calls: Calls) -> None:
        super().__init__(unet)
        self._calls = calls

    def call(
        self, sample: Tensor, timestep: Tensor, context: TextContext, deep: DeepFeature | None
    ) -> Sequence[Tensor]:
        if deep is not None or torch.is_grad_enabled():
            return super().call(sample, timestep, context, deep)
        self.unet.prepare()  # may move weights, which a recording must not
        where = torch.as_tensor(timestep, device=sample.device)
        return (self._calls(sample, where, context.embeddings),)


def check_acceleration(by: str, device: torch.device, *, offloaded: bool) -> None:
    """Raise RequestError unless `by` names a way that this device and pipeline can go."""
    if by not in ACCELERATIONS:
        raise RequestError(f"accelerate has no way {by!r}.{nearest(str(by), ACCELERATIONS)}")
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


def accelerated(unet: UNet2DConditionModel, by: str) -> AcceleratedUNet:
    """The UNet with its calls recorded, and compiled before if `by` is "compile"."""

    def call(sample: Tensor, timestep: Tensor, embeddings: Tensor) -> Tensor:
        return unet(sample, timestep, encoder_hidden_states=embeddings)[0]

    function: Calls = call
    if by == "compile":
        # with graphs of its own it would hand out memory that the next call overwrites
        function = torch.compile(call, mode="max-autotune-no-cudagraphs", dynamic=False)
    return AcceleratedUNet(unet, GraphedCalls(function, list(unet.parameters())))
