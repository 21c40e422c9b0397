"""Changes that are products of other kinds: LoHa and LoKr (arXiv:2309.14859)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from kakusan.checkpoints.adapters.changes import Change, in_float32


class Factor:
    """A matrix or a kernel that a file has whole, as a product, or as a Tucker decomposition.

    Args:
        whole: as it is; None where it is factored.
        a: its first factor (rows, rank), or (rank, rows) beside a `core`.
        b: its second factor (rank, columns).
        core: Tucker's (rank, rank, k, k), of a kernel.
    """

    def __init__(
        self, whole: Tensor | None, a: Tensor | None, b: Tensor | None, core: Tensor | None = None
    ) -> None:
        self._whole, self._a, self._b, self._core = whole, a, b, core

    @property
    def shape(self) -> tuple[int, ...] | None:
        """Of what `made` gives; None where the factors do not fit one another."""
        if self._whole is not None:
            return tuple(self._whole.shape)
        a, b, core = self._a, self._b, self._core
        if a is None or b is None or a.ndim != 2 or b.ndim != 2:
            return None
        if core is None:
            return (a.shape[0], b.shape[1]) if a.shape[1] == b.shape[0] else None
        fits = core.ndim == 4 and (core.shape[0], core.shape[1]) == (a.shape[0], b.shape[0])
        return (a.shape[1], b.shape[1], *core.shape[2:]) if fits else None

    @property
    def rank(self) -> int | None:
        """Of the product; None where the factor is whole."""
        return None if self._b is None else len(self._b)

    def made(self, device: torch.device) -> Tensor:
        """The matrix or kernel in float32."""
        if self._whole is not None:
            return in_float32(self._whole, device)
        assert self._a is not None
        assert self._b is not None
        a, b = in_float32(self._a, device), in_float32(self._b, device)
        if self._core is None:
            return a @ b
        return torch.einsum("ijkl, ip, jr -> prkl", in_float32(self._core, device), a, b)


@dataclass(frozen=True, eq=False)
class Hadamard(Change):
    """LoHa: the product, element by element, of two products of low rank."""

    first: Factor
    second: Factor
    scale: float

    @property
    def kind(self) -> str:
        return "LoHa"

    @property
    def rank(self) -> int | None:
        return self.first.rank

    def delta(self, weight: Tensor) -> Tensor:
        made = self.first.made(weight.device).mul_(self.second.made(weight.device))
        return made.mul_(self.scale).reshape(weight.shape)


@dataclass(frozen=True, eq=False)
class Kronecker(Change):
    """LoKr: a Kronecker product, of whose second factor each entry of the first takes a copy."""

    first: Factor
    second: Factor
    scale: float

    @property
    def kind(self) -> str:
        return "LoKr"

    @property
    def rank(self) -> int | None:
        return self.second.rank if self.second.rank is not None else self.first.rank

    def delta(self, weight: Tensor) -> Tensor:
        first, second = self.first.made(weight.device), self.second.made(weight.device)
        first = first.reshape(*first.shape[:2], *[1] * (second.ndim - 2))
        return torch.kron(first, second.contiguous()).mul_(self.scale).reshape(weight.shape)
