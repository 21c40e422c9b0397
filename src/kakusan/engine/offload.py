"""Networks that wait in the CPU's memory until their turn comes, where a device's is short."""

import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn


def move(part: nn.Module, device: torch.device) -> None:
    """Bring all weights of `part` to `device`."""
    part.to(device)


class Offload:
    """Keeps at most one of several networks on a device, but for those that work together.

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
        self._there: list[nn.Module] = []
        self._turn = threading.RLock()

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy has a turn of its own to wait for, and nothing on the device yet."""
        return Offload, (self.device, self._moved)

    @contextmanager
    def use(self, part: nn.Module, beside: Sequence[nn.Module] = ()) -> Generator[None, None, None]:
        """Have `part` on the device for as long as this lasts.

        Args:
            beside: those that need not leave the device for it: they are used in turns.
        """
        with self._turn:
            if not _holds(self._there, part):
                for other in [each for each in self._there if not _holds(beside, each)]:
                    self._leave(other)
                self._moved(part, self.device)
                self._there.append(part)
            yield

    def clear(self) -> None:
        """Have nothing on the device."""
        with self._turn:
            for part in list(self._there):
                self._leave(part)

    def _leave(self, part: nn.Module) -> None:
        self._moved(part, torch.device("cpu"))
        self._there = [each for each in self._there if each is not part]


def _holds(parts: Sequence[nn.Module], part: nn.Module) -> bool:
    return any(each is part for each in parts)
