"""Networks that wait in the CPU's memory until their turn comes, where a device's is short."""

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn


def move(part: nn.Module, device: torch.device) -> None:
    """Bring all weights of `part` to `device`."""
    part.to(device)


class Offload:
    """Keeps at most one of several networks on a device.

    A network stays there after its use until another's turn comes, so a loop over one network moves
    it once. Threads take turns, call by call: correct, but each change of network is a move.

    Args:
        device: where networks compute.
        moved: does the moving.
    """

    def __init__(
        self, device: torch.device, moved: Callable[[nn.Module, torch.device], None] = move
    ) -> None:
        self.device = device
        self._moved = moved
        self._there: nn.Module | None = None
        self._turn = threading.RLock()

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy has a turn of its own to wait for, and nothing on the device yet."""
        return Offload, (self.device, self._moved)

    @contextmanager
    def use(self, part: nn.Module) -> Generator[None, None, None]:
        """Have `part` on the device for as long as this lasts."""
        with self._turn:
            if self._there is not part:
                self.clear()
                self._moved(part, self.device)
                self._there = part
            yield

    def clear(self) -> None:
        """Have nothing on the device."""
        with self._turn:
            if self._there is not None:
                self._moved(self._there, torch.device("cpu"))
                self._there = None
