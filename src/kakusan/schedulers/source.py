"""Streams of random numbers that stand where a torch generator may: other tools' kinds."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Self

import torch
from torch import Tensor

from kakusan.schedulers.philox import philox_normal

SEEDS = 2**64
Position = Tensor | int  # of a stream, in a form that can be kept


class NoiseSource(ABC):
    """One picture's random numbers, drawn on the CPU.

    Attributes:
        path_seed: of a Brownian path, for samplers that add noise along one.
    """

    path_seed: int

    @abstractmethod
    def normal(self, shape: Sequence[int]) -> Tensor:
        """The stream's next tensor of standard normal numbers, on the CPU."""

    @abstractmethod
    def anew(self, seed: int) -> "NoiseSource":
        """A stream of the same kind that begins at a seed."""

    @abstractmethod
    def get_state(self) -> Any:
        """Where the stream is."""

    @abstractmethod
    def set_state(self, state: Any) -> None:
        """Go back, or on, to where `get_state` said that the stream was."""

    def position(self) -> Position:
        """Where the stream is, once the first latents were drawn, to be kept."""
        return self.get_state()

    def go_to(self, position: Position) -> None:
        """Go on, once the first latents were drawn, to where another of the same seed was."""
        self.set_state(position)


class TorchNoise(NoiseSource):
    """What torch draws on a CPU, where it looks at the lower 32 bits of a seed.

    Args:
        dtype: in which it draws; other numbers come in float16 than in float32.
    """

    def __init__(self, seed: int, dtype: torch.dtype = torch.float32) -> None:
        self.path_seed, self._dtype = seed % SEEDS, dtype
        self._generator = torch.Generator("cpu").manual_seed(self.path_seed)

    @classmethod
    def in_half(cls, seed: int) -> Self:
        """Drawn in float16."""
        return cls(seed, torch.float16)

    @classmethod
    def going_on(cls, generator: torch.Generator) -> Self:
        """The stream of a torch generator."""
        found = cls(generator.initial_seed())
        found._generator = generator
        return found

    def normal(self, shape: Sequence[int]) -> Tensor:
        return torch.randn(tuple(shape), generator=self._generator, dtype=self._dtype)

    def anew(self, seed: int) -> "TorchNoise":
        return TorchNoise(seed, self._dtype)

    def get_state(self) -> Any:
        return self._generator.get_state()

    def set_state(self, state: Any) -> None:
        self._generator.set_state(state)


class PhiloxNoise(NoiseSource):
    """What torch draws on a CUDA device, and so AUTOMATIC1111's "NV"."""

    def __init__(self, seed: int) -> None:
        self.path_seed, self._drawn = seed % SEEDS, 0

    def normal(self, shape: Sequence[int]) -> Tensor:
        numbers = philox_normal(shape, self.path_seed, self._drawn)
        self._drawn += 1
        return torch.from_numpy(numbers)

    def anew(self, seed: int) -> "PhiloxNoise":
        return PhiloxNoise(seed)

    def get_state(self) -> Any:
        return self._drawn

    def set_state(self, state: Any) -> None:
        self._drawn = state
