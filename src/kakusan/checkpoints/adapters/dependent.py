"""Changes that depend on the weight which they meet."""

from dataclasses import dataclass

import torch
from torch import Tensor

from kakusan.checkpoints.adapters.changes import Change, Dependent, in_float32


@dataclass(frozen=True, eq=False)
class Scaling(Dependent):
    """(IA)³ (arXiv:2205.05638): each row, or each column, is scaled by one number more.

    Attributes:
        factors_less_one: what is added for each row; (in,) where `on_input`, else (out,).
    """

    factors_less_one: Tensor
    on_input: bool

    @property
    def kind(self) -> str:
        return "IA3"

    def delta(self, weight: Tensor) -> Tensor:
        axis = 1 if self.on_input else 0
        shape = [-1 if n == axis else 1 for n in range(weight.ndim)]
        return weight.float() * in_float32(self.factors_less_one, weight.device).reshape(shape)


@dataclass(frozen=True, eq=False)
class Generalised(Dependent):
    """GLoRA (arXiv:2306.07967): scale * (up @ down + W @ right @ left).

    Attributes:
        up, down: (out, rank) and (rank, in) or (rank, in, k, k).
        right, left: (in, rank) and (rank, in), of what stands behind each row of the weight.
    """

    up: Tensor
    down: Tensor
    right: Tensor
    left: Tensor
    scale: float

    @property
    def kind(self) -> str:
        return "GLoRA"

    @property
    def rank(self) -> int:
        return len(self.down)

    def delta(self, weight: Tensor) -> Tensor:
        up, down, right, left = (
            in_float32(each.flatten(1), weight.device)
            for each in (self.up, self.down, self.right, self.left)
        )
        through = torch.einsum("oi..., ir, rj -> oj...", weight.float(), right, left)
        return (up @ down).reshape(weight.shape).add_(through).mul_(self.scale)


@dataclass(frozen=True, eq=False)
class Rotation(Dependent):
    """OFT (arXiv:2306.07280) and BOFT (arXiv:2311.06243): rows are rotated among themselves.

    Attributes:
        blocks: (blocks, b, b) whose differences from their transposes Cayley's transform turns
            into rotations; BOFT's stages stand before them.
        limit: how long all of those together may be; None for no limit.
        rescale: of each row, after that; (out,).
        rotations: whether `blocks` are the rotations themselves, as in files of old.
    """

    blocks: Tensor
    limit: float | None
    rescale: Tensor | None = None
    rotations: bool = False

    @property
    def kind(self) -> str:
        return "BOFT" if self.blocks.ndim == 4 else "OFT"

    def delta(self, weight: Tensor) -> Tensor:
        rows = weight.float().flatten(1)
        blocks = self._rotations(weight.device)
        turned = self._butterfly(blocks, rows) if blocks.ndim == 4 else self._turned(blocks, rows)
        if self.rescale is not None:
            turned = turned * in_float32(self.rescale, weight.device).reshape(-1, 1)
        return (turned - rows).reshape(weight.shape)

    def _rotations(self, device: torch.device) -> Tensor:
        blocks = in_float32(self.blocks, device)
        if self.rotations:
            return blocks
        skew = blocks - blocks.mT
        length = float(torch.linalg.vector_norm(skew))
        if self.limit is not None and length > self.limit:
            skew = skew * (self.limit / length)
        eye = torch.eye(skew.shape[-1], device=device)
        # (I + Q) (I - Q)^-1, whose factors commute
        return torch.linalg.solve(eye - skew, eye + skew)

    @staticmethod
    def _turned(blocks: Tensor, rows: Tensor) -> Tensor:
        count, side, _ = blocks.shape
        # as its trainers have it, by the rotations' transposes
        return torch.einsum("knm, kni -> kmi", blocks, rows.reshape(count, side, -1)).flatten(0, 1)

    @staticmethod
    def _butterfly(stages: Tensor, rows: Tensor) -> Tensor:
        side = stages.shape[-1]
        for number, blocks in enumerate(stages):
            span = 2**number * side // 2
            paired = rows.unflatten(0, (-1, 2, span)).transpose(1, 2).flatten(0, 2)
            mixed = torch.einsum("bij, bjm -> bim", blocks, paired.unflatten(0, (-1, side)))
            rows = mixed.flatten(0, 1).unflatten(0, (-1, span, 2)).transpose(1, 2).flatten(0, 2)
        return rows


@dataclass(frozen=True, eq=False)
class Decomposed(Dependent):
    """DoRA (arXiv:2402.09353): the changed weight, and lengths of its rows or columns instead.

    Attributes:
        change: of the directions.
        lengths: (out,) or, where `on_input`, (in,).
    """

    change: Change
    lengths: Tensor
    on_input: bool

    @property
    def kind(self) -> str:
        return f"DoRA of {self.change.kind}" if self.change.kind != "LoRA" else "DoRA"

    @property
    def rank(self) -> int | None:
        return self.change.rank

    def delta(self, weight: Tensor) -> Tensor:
        before = weight.float()
        changed = self.change.delta(weight).add_(before)
        axis = 1 if self.on_input else 0
        others = [n for n in range(changed.ndim) if n != axis]
        found = torch.linalg.vector_norm(changed, dim=others, keepdim=True)
        wanted = in_float32(self.lengths, weight.device).reshape(found.shape)
        # a row of zeros stays one
        smallest = torch.finfo(torch.float32).tiny
        return changed.mul_(wanted / found.clamp_min(smallest)).sub_(before)
