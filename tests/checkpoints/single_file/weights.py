"""Weights and inputs of the goldens, the same wherever they are made."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor


def filled(shapes: Mapping[str, Sequence[int]], seed: int) -> dict[str, Tensor]:
    """Random weights of about unit gain, in the order of the names."""
    generator = torch.Generator().manual_seed(seed)
    made: dict[str, Tensor] = {}
    for name in sorted(shapes):
        shape = shapes[name]
        noise = torch.randn(tuple(shape), generator=generator)
        if len(shape) > 1:
            noise *= 0.7 * noise[0].numel() ** -0.5
        else:
            noise = 0.1 * noise + ("norm" in name or "ln_" in name) * name.endswith("weight")
        made[name] = noise
    return made


def inputs(shape: tuple[int, ...], seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def tokens(words: int) -> Tensor:
    """Two texts of 77 ids, the end token last and highest."""
    ids = torch.randint(0, words - 1, (2, 77), generator=torch.Generator().manual_seed(8))
    ids[:, 40:] = words - 1
    return ids
