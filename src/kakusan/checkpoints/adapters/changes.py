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

    @property
    @abstractmethod
    def kind(self) -> str:
        """What people call it: "LoRA", "LoHa"."""

    @abstractmethod
    def delta(self, weight: Tensor) -> Tensor:
        """What is added to `weight` at strength 1: new, float32, on its device, in its shape."""

    @property
    def depends_on_weight(self) -> bool:
        """Whether another weight is changed otherwise."""
        return False

    @property
    def factors(self) -> LowRank | None:
        """The same as factors; None where it is no product of low rank."""
        return None

    @property
    def rank(self) -> int | None:
        """Of the product; None where there is no such number."""
        return None


class Dependent(Change):
    """A change that depends on the weight which it meets."""

    @property
    def depends_on_weight(self) -> bool:
        return True


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

    @property
    def kind(self) -> str:
        return "LoRA"

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
        down = in_float32(down, weight.device).flatten(1)
        return (in_float32(up, weight.device) @ down).mul_(scale).reshape(weight.shape)


@dataclass(frozen=True, eq=False)
class Difference(Change):
    """A whole tensor that is added: of full trainings, normalisations and biases."""

    value: Tensor
    scale: float = 1.0

    @property
    def kind(self) -> str:
        return "full"

    def delta(self, weight: Tensor) -> Tensor:
        return (in_float32(self.value, weight.device) * self.scale).reshape(weight.shape)


@dataclass(frozen=True, eq=False)
class Replacement(Dependent):
    """A whole tensor that takes the weight's place."""

    value: Tensor

    @property
    def kind(self) -> str:
        return "full"

    def delta(self, weight: Tensor) -> Tensor:
        return in_float32(self.value, weight.device).reshape(weight.shape) - weight.float()


@dataclass(frozen=True, eq=False)
class WithRest(Change):
    """A change, and the largest entries of what it lacks, as LyCORIS extracts it from a model.

    Attributes:
        change: all but those.
        indices: (2, n), the row and the column of each.
        values: (n,)
        size: rows, and columns with what stands behind them.
        scale: of the values.
    """

    change: Change
    indices: Tensor
    values: Tensor
    size: tuple[int, int]
    scale: float

    @property
    def kind(self) -> str:
        return self.change.kind

    @property
    def depends_on_weight(self) -> bool:
        return self.change.depends_on_weight

    @property
    def rank(self) -> int | None:
        return self.change.rank

    def delta(self, weight: Tensor) -> Tensor:
        out = self.change.delta(weight).reshape(self.size)
        rows, columns = self.indices.to(weight.device, torch.int64)
        values = in_float32(self.values, weight.device) * self.scale
        return out.index_put_((rows, columns), values, accumulate=True).reshape(weight.shape)


@dataclass(frozen=True, eq=False)
class Padded(Change):
    """A change of the first input channels: a model's own, where this one has more of them.

    Attributes:
        change: of a kernel with `channels` inputs.
    """

    change: Change
    channels: int

    @property
    def kind(self) -> str:
        return self.change.kind

    @property
    def depends_on_weight(self) -> bool:
        return self.change.depends_on_weight

    @property
    def rank(self) -> int | None:
        return self.change.rank

    def delta(self, weight: Tensor) -> Tensor:
        out = torch.zeros(weight.shape, device=weight.device)
        out[:, : self.channels] = self.change.delta(weight[:, : self.channels])
        return out
