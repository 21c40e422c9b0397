"""Which device to compute on."""

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor

from kakusan.errors import ArgumentError, RequestError, shown

# Values of `device_map` that leave the device to the library
SPREAD = ("auto", "balanced", "balanced_low_0", "sequential")


def best_device() -> torch.device:
    """The fastest device here: CUDA (or ROCm), then Apple's GPU, then the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def _reachable() -> list[str]:
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    cuda = ["cuda", *(f"cuda:{i}" for i in range(count))] if count else []
    return ["cpu", *cuda, *(["mps"] if torch.backends.mps.is_available() else [])]


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
            "{device} {0} is not on this machine; choose one of: {1}",
            shown(str(name)),
            ", ".join(_reachable()),
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
