"""What an adapter does to one weight or bias, without knowing any network."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor


class LowRank(NamedTuple):
    """The change scale * up @ down, which can be computed beside a layer.

    Attributes:
        down: (rank, in); for a convolution (rank, in, k, k), with the layer's stride and padding.
        up: (out, rank).
        scale: of their product.
    """

    down: Tensor
    up: Tensor
    scale: float


class Change(ABC):
    """How one weight or bias is changed; tensors are as the file has them, mapped to it."""

    kind: str
    depends_on_weight: bool = False

    @abstractmethod
    def delta(self, weight: Tensor) -> Tensor:
        """What is added to `weight` at strength 1: float32, on its device, in its shape."""

    @property
    def factors(self) -> LowRank | None:
        """The same as factors; None where it is no product of low rank."""
        return None

    @property
    def rank(self) -> int | None:
        """Of the product; None where there is no such number."""
        return None


def in_float32(tensor: Tensor, device: torch.device) -> Tensor:
    """A tensor of a file as it is computed with."""
    return tensor.to(device, torch.float32)


@dataclass(frozen=True, eq=False)
class Product(Change):
    """LoRA (arXiv:2106.09685) and LoCon: scale * up @ down.

    Attributes:
        down: (rank, in), or of a convolution (rank, in, k, k).
        up: (out, rank).
        mid: Tucker's core (rank, rank, k, k), of a convolution whose `down` is (rank, in).
    """

    down: Tensor
    up: Tensor
    scale: float
    mid: Tensor | None = None
    kind = "LoRA"

    @property
    def rank(self) -> int:
        return len(self.down)

    @property
    def factors(self) -> LowRank:
        if self.mid is None:
            return LowRank(self.down, self.up, self.scale)
        device = self.down.device
        mid, down = in_float32(self.mid, device), in_float32(self.down, device)
        return LowRank(torch.einsum("pqhw, qi -> pihw", mid, down), self.up, self.scale)

    def delta(self, weight: Tensor) -> Tensor:
        down, up, scale = self.factors
        down = in_float32(down, weight.device)
        product = in_float32(up, weight.device) @ down.flatten(1)
        return product.mul_(scale).reshape(weight.shape)


@dataclass(frozen=True, eq=False)
class Difference(Change):
    """A whole tensor that is added: of full trainings, normalisations and biases."""

    value: Tensor
    kind = "full"

    def delta(self, weight: Tensor) -> Tensor:
        return in_float32(self.value, weight.device).reshape(weight.shape)


@dataclass(frozen=True, eq=False)
class Replacement(Change):
    """A whole tensor that takes the weight's place."""

    value: Tensor
    kind = "full"
    depends_on_weight = True

    def delta(self, weight: Tensor) -> Tensor:
        return in_float32(self.value, weight.device).reshape(weight.shape) - weight.float()
