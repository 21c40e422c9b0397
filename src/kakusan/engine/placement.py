"""Where a pipeline's networks are: together on one device, or one at a time."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any, Self

import torch
from torch import nn

from kakusan.engine.acceleration import Acceleration, check_acceleration
from kakusan.engine.offload import Offload
from kakusan.errors import RequestError
from kakusan.models import Model
from kakusan.runtime.device import parse_device
from kakusan.runtime.precision import parse_dtype

Networks = Sequence[Model[Any]]


@dataclass(frozen=True)
class Placement:
    """How the networks of one pipeline share a device; replaced where the user wants another way.

    Attributes:
        offload: takes networks to a device one at a time; None where all of them stay there.
        acceleration: records the UNet's calls on a CUDA device.
    """

    offload: Offload | None = None
    acceleration: Acceleration | None = None

    def moved(self, networks: Networks, targets: Sequence[object]) -> Self:
        """Store the weights of networks in another dtype, or move them to a device, or both.

        A device ends the offload.

        Raises:
            RequestError: There is no such device on this machine, or no such dtype.
        """
        if len(targets) > 2:
            raise RequestError(
                f"a device and a dtype can be given, not {len(targets)} of them at once"
            )
        dtypes = [parse_dtype(target) for target in targets if isinstance(target, torch.dtype)]
        others = [target for target in targets if not isinstance(target, torch.dtype)]
        devices = [parse_device(target) for target in others]  # pyright: ignore[reportArgumentType]
        for found, kind in ((dtypes, "dtypes"), (devices, "devices")):
            if len(found) > 1:
                raise RequestError(f"two {kind} were given, {found[0]} and {found[1]}; give one")
        if devices:  # what a CPU computes in is not for another device
            for network in networks:
                network.to(network.stored_dtype)
        for target in (*dtypes, *devices):  # cast first: there is less to move then, and to hold
            for network in networks:
                network.to(target)
        return replace(self, offload=None) if devices else self

    def offloaded(self, networks: Networks, device: str | torch.device) -> Self:
        """Hold at most one network in a GPU's memory; the others wait in the CPU's.

        Raises:
            RequestError: There is no such GPU here, or calls are recorded.
        """
        where = parse_device(device)
        if where.type != "cuda":
            raise RequestError(
                f"enable_model_cpu_offload moves networks between the CPU and a CUDA device, not "
                f"{where}; leave it out"
            )
        if self.acceleration is not None:
            raise RequestError(
                "a recording needs weights that stay on the device; call accelerate(None) before "
                "enable_model_cpu_offload"
            )
        self.moved(networks, ["cpu"])
        return replace(self, offload=Offload(where))

    def accelerated(self, by: str | None, device: torch.device) -> Self:
        """Record the UNet's calls in one of `acceleration.WAYS`; None ends that.

        Raises:
            RequestError: Another way, not on a CUDA device, or networks take turns there.
        """
        if by is None:
            return replace(self, acceleration=None)
        check_acceleration(by, device, offloaded=self.offload is not None)
        return replace(self, acceleration=Acceleration(by))

    def device(self, network: Model[Any]) -> torch.device:
        """Where a network computes; one without weights would be read to the CPU first."""
        if self.offload is not None:
            return self.offload.device
        return network.device if network.device.type != "meta" else torch.device("cpu")

    def use(
        self, network: nn.Module, beside: Sequence[nn.Module] = ()
    ) -> AbstractContextManager[None]:
        """Has a network on its device meanwhile; those `beside` may stay there."""
        return nullcontext() if self.offload is None else self.offload.use(network, beside)
