"""Trajectories over networks of a line or two, and an engine that calls these."""

from typing import Any

import torch
from torch import Tensor

from kakusan.engine import Engine
from kakusan.models import Conditioning
from kakusan.sampling import (
    Guidance,
    Guided,
    Prompt,
    Reused,
    Start,
    Step,
    Trajectory,
    drive,
)


def engine(unet: Any) -> Engine:
    """An engine with no other network."""
    return Engine(unet, None, None)  # pyright: ignore[reportArgumentType]


def prompt(embeddings: Tensor, guidance: Guidance) -> Prompt:
    """Rows of embeddings, with the negative half first under guidance."""
    if not guidance.on:
        return Prompt(Conditioning(embeddings))
    negative, text = embeddings.chunk(2)
    return Prompt(Conditioning(text), Conditioning(negative))


def trajectory(
    scheduler: Any,
    noise: Tensor,
    embeddings: Tensor,
    guidance: Guidance,
    *,
    interval: int = 1,
    **options: Any,
) -> Trajectory:
    """One whose scheduler has its timesteps set."""
    predictor = Guided(guidance) if interval == 1 else Reused(guidance, interval)
    return Trajectory(Start(noise), scheduler, prompt(embeddings, guidance), predictor, **options)


def steps(way: Trajectory, unet: Any) -> list[Step]:
    """All steps of it alone."""
    taken: list[Step] = []
    for each in drive([way], engine(unet).predict):
        if each.error is not None:
            raise each.error
        assert each.step is not None
        taken.append(each.step)
    return taken


def noise(seed: int, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)
