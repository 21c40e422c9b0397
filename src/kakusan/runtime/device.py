"""Which device to compute on."""

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor

from kakusan.errors import ArgumentError, RequestError, shown

# Values of `device_map` that leave the device to the library
SPREAD = ("auto", "balanced", "balanced_low_0", "sequential")
# What torch calls otherwise
_AMD = ("amd", "hip", "rocm")


def best_device() -> torch.device:
    """The fastest device here: CUDA (or ROCm), then Intel's or Apple's GPU, then the CPU."""
    return torch.device(next(iter(_accelerators()), "cpu"))


def _accelerators() -> list[str]:
    """The kinds of devices beside the CPU that torch can use here."""
    available = {
        "cuda": torch.cuda.is_available,  # of AMD's GPUs too
        "xpu": torch.xpu.is_available,
        "mps": torch.backends.mps.is_available,
    }
    return [kind for kind, is_available in available.items() if is_available()]


def _reachable() -> list[str]:
    names = ["cpu"]
    for kind in _accelerators():
        count = 1 if kind == "mps" else getattr(torch, kind).device_count()
        names += [kind, *(f"{kind}:{i}" for i in range(count))]
    return names


def is_tested(device: torch.device) -> bool:
    """Whether kakusan is tested on such a device; on others it is torch's word that it works."""
    return device.type == "cpu" or (device.type == "cuda" and torch.version.hip is None)


def parse_device(name: str | torch.device | None) -> torch.device:
    """The device called `name`; None means the best one here.

    Raises:
        RequestError: There is no such device on this machine.
    """
    if name is None:
        return best_device()
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError, ValueError, OverflowError):
        device = None
    if device is None or str(device) not in _reachable():
        raise ArgumentError(
            "{device} {0} is not on this machine; choose one of: {1}{2}",
            shown(str(name)),
            ", ".join(_reachable()),
            " (AMD's GPUs are called cuda)" if str(name).startswith(_AMD) else "",
        )
    return device


def mapped_device(device_map: object) -> torch.device | None:
    """The one device that a `device_map` comes to; None where it says nothing.

    Weights are not spread: "auto", "balanced" and the like are the best device here.

    Raises:
        RequestError: It names several devices, or none of this machine.
    """
    if isinstance(device_map, Mapping):
        named = {str(value): value for value in cast("Mapping[str, object]", device_map).values()}
        if len(named) != 1:
            raise RequestError(
                f"device_map={shown(device_map)} names {len(named)} devices; kakusan computes on "
                "one: give it by name, or leave device_map out"
            )
        (device_map,) = named.values()
    if device_map is None:
        return None
    if isinstance(device_map, str) and device_map in SPREAD:
        return best_device()
    return parse_device(cast("str | torch.device", device_map))


def queues(device: torch.device) -> bool:
    """Whether work on `device` is only queued, so that reading a result waits for all of it."""
    return device.type != "cpu"


def send(tensor: Tensor, device: torch.device) -> Tensor:
    """`tensor` on `device`; on its way to a CUDA device in pinned memory, and not waited for."""
    if device.type != "cuda" or tensor.device.type != "cpu":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)
