"""How often scenes come: the worse a UNet draws their objects from noise, the oftener."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from kakusan.builtin.recipe import difficulty
from kakusan.builtin.recipe.difficulty import STEEPNESS, TIMESTEP, sampling_weights
from kakusan.builtin.recipe.diffusion import noise_scheduler
from kakusan.builtin.recipe.lessons import Lessons

THINGS, SIDE = 3, 8
GENERATOR = torch.Generator().manual_seed(0)
PATTERNS = torch.randn(THINGS, 4, SIDE, SIDE, generator=GENERATOR)  # what each object looks like
COVERED = torch.zeros(SIDE, SIDE, dtype=torch.bool)
COVERED[2:6, 2:7] = True


def lessons(scenes: Sequence[tuple[int, ...]]) -> Lessons:
    """Of scenes of these objects, whose captions' ids say the first of them."""
    answers = torch.zeros(len(scenes), 13, dtype=torch.int16)
    answers[:, 0:9:3] = THINGS
    for row, things in zip(answers, scenes, strict=True):
        for index, thing in enumerate(things):
            row[3 * index] = thing
        row[9] = len(things)
    ids = torch.tensor([[[things[0] if things else 0]] for things in scenes])
    return Lessons(
        ids=ids,
        answers=answers,
        objects=COVERED.repeat(len(scenes), 1, 1),
        plain=torch.ones(len(scenes), dtype=torch.bool),
        chances=torch.full((len(scenes), 1), 0.5),
    )


class Reads(nn.Module):
    """A text encoder that says which object a caption names."""

    def forward(self, ids: Tensor) -> tuple[Tensor]:
        return (ids,)


class Draws(nn.Module):
    """A UNet that sees this much of each object's pattern in any noise, and its mean besides."""

    def __init__(self, sees: Sequence[float]) -> None:
        super().__init__()
        self.sees = torch.tensor(sees)
        self.device = torch.device("cpu")

    def forward(self, noised: Tensor, timesteps: Tensor, text: Tensor) -> tuple[Tensor]:
        assert (timesteps == TIMESTEP).all()
        signal = noise_scheduler().alphas_cumprod[TIMESTEP]
        of = text[:, 0]
        true, covered = PATTERNS[of], COVERED.float()
        mean = (true * covered).sum((2, 3), keepdim=True) / covered.sum()
        found = mean + self.sees[of, None, None, None] * (true - mean)
        return ((signal.sqrt() * noised - found) / (1 - signal).sqrt(),)


def found(unet: Any, scenes: Sequence[tuple[int, ...]]) -> Tensor:
    shown = [things[0] if things else 0 for things in scenes]
    reads: Any = Reads()
    return sampling_weights(unet, reads, PATTERNS[shown], lessons(scenes), things=THINGS, seed=3)


def test_scenes_come_by_the_share_of_their_objects_that_is_missed() -> None:
    scenes = [(0,), (1,), (2,), (1, 2), (2, 2), (), (0,), (1,), (2,)]
    missed = torch.tensor([0.25, 0.64, 1.0])  # of the variance
    expected = torch.tensor([0.25, 0.64, 1.0, 0.82, 1.0, 0.25, 0.25, 0.64, 1.0]) ** STEEPNESS
    torch.testing.assert_close(found(Draws((1 - missed.sqrt()).tolist()), scenes), expected)


def test_contrast_does_not_count() -> None:
    scenes = [(0,), (1,), (2,)]
    PATTERNS[1] *= 10
    try:
        several = found(Draws([0.5, 0.5, 0.5]), scenes)
    finally:
        PATTERNS[1] /= 10
    torch.testing.assert_close(several, several[:1].expand(3))


@pytest.mark.parametrize("scenes", [[(), ()], [(0, 1), (2, 2)]])
def test_where_no_object_is_alone_all_come_alike(scenes: list[tuple[int, ...]]) -> None:
    several = found(Draws([0.1, 0.5, 0.9]), scenes)
    assert torch.equal(several, torch.ones(2))


def test_objects_that_were_not_looked_at_are_as_hard_as_the_mean(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(difficulty, "SCENES", 2)
    several = found(Draws([0.5, 0.0, 0.0]), [(0,), (1,), (2,)])
    assert several[2] == pytest.approx(((0.25 + 1.0) / 2) ** STEEPNESS)
