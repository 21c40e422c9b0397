"""Where a pipeline's networks compute, and in which precision."""

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Any, Self

import torch

from kakusan.checkpoints.arguments import check_published
from kakusan.engine import Engine, Placement
from kakusan.pipeline.loading import MOVING
from kakusan.runtime.precision import parse_dtype


class Placed(ABC):
    """What moves between devices."""

    _placement: Placement

    @property
    @abstractmethod
    def engine(self) -> Engine:
        """The networks as they are now, ready to compute; see `kakusan.engine`."""

    @property
    def device(self) -> torch.device:
        """Where the networks compute."""
        return self.engine.device

    @property
    def _execution_device(self) -> torch.device:
        """The name that scripts written for the reference know `device` by."""
        return self.device

    @property
    def dtype(self) -> torch.dtype:
        return self.engine.dtype

    def to(
        self,
        *targets: str | torch.device | torch.dtype | int | None,
        device: str | torch.device | int | None = None,
        dtype: torch.dtype | str | None = None,
        torch_device: str | torch.device | int | None = None,
        torch_dtype: torch.dtype | str | None = None,
        **published: Any,
    ) -> Self:
        """Store every network's weights in another dtype, or move them to a device, or both.

        A device ends `enable_model_cpu_offload`.

        Args:
            targets: A device, a dtype, or both in any order.
            torch_device, torch_dtype: The older names of `device` and `dtype`.
            published: `silence_dtype_warnings`, which changes nothing here.

        Raises:
            RequestError: There is no such device on this machine, or two of a kind were given.
        """
        check_published("to", published, MOVING, ("device", "dtype"))
        kept = [parse_dtype(each) for each in (dtype, torch_dtype) if each is not None]
        given = [each for each in (*targets, device, torch_device) if each is not None]
        asked = [*given, *kept]
        self._placement = self._placement.moved(self.engine.networks, asked)
        return self

    def enable_model_cpu_offload(
        self, gpu_id: int | None = None, device: str | torch.device = "cuda"
    ) -> None:
        """Hold at most one network in the GPU's memory; the others wait in the CPU's.

        Raises:
            RequestError: There is no such GPU here, or `accelerate` was called before.
        """
        where = device if gpu_id is None else f"cuda:{gpu_id}"
        self._placement = self._placement.offloaded(self.engine.networks, where)

    def enable_sequential_cpu_offload(
        self, gpu_id: int | None = None, device: str | torch.device = "cuda"
    ) -> None:
        """Hold at most one network in the GPU's memory, as `enable_model_cpu_offload` does.

        Raises:
            RequestError: There is no such GPU here, or `accelerate` was called before.
        """
        self.enable_model_cpu_offload(gpu_id, device)

    def maybe_free_model_hooks(self) -> None:
        """Take the network that is on the GPU off it, where they take turns there."""
        if self._placement.offload is not None:
            self._placement.offload.clear()

    def remove_all_hooks(self) -> None:
        """End `enable_model_cpu_offload`: all networks are in the CPU's memory then."""
        self.maybe_free_model_hooks()
        self._placement = replace(self._placement, offload=None)

    def accelerate(self, by: str | None = "graphs") -> Self:
        """Launch the UNet as one on a CUDA device, for calls whose shapes repeat.

        The first call of each shape takes longer, and each shape holds memory.

        Args:
            by: "graphs" records the UNet's kernels and replays them, "compile" has torch.compile
                make other ones first, which takes far longer and rounds differently, None does
                neither.

        Raises:
            RequestError: Another way, not on a CUDA device, or `enable_model_cpu_offload` is on.
        """
        self._placement = self._placement.accelerated(by, self.device)
        return self
