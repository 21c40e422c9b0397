"""Scenes come by how badly their objects are drawn."""

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from kakusan.builtin.recipe.difficulty import POWER, TIMESTEP, odds, unexplained
from kakusan.builtin.recipe.diffusion import DiffusionStage, noise_scheduler
from kakusan.builtin.recipe.lessons import Lessons
from kakusan.builtin.recipe.poses import Item
from kakusan.builtin.recipe.questions import answers
from kakusan.builtin.recipe.scenes import Scene, covered

THINGS, SIDE = 3, 4


def scenes() -> list[Scene]:
    """One object, two of different kinds, none, and one again."""
    one, other = Item(0, size=0.5, x=0.5, y=0.5), Item(1, size=0.5, x=0.5, y=0.5)
    return [Scene((one,)), Scene((one, other), relation="beside"), Scene(), Scene((other,))]


def lessons(all_scenes: list[Scene]) -> Lessons:
    return Lessons(
        ids=torch.zeros(len(all_scenes), 1, 2, dtype=torch.int16),
        answers=torch.tensor([answers(scene, THINGS) for scene in all_scenes]).short(),
        objects=torch.from_numpy(np.stack([covered(scene, SIDE) for scene in all_scenes])),
        plain=torch.ones(len(all_scenes), dtype=torch.bool),
        chances=torch.full((len(all_scenes), 1), 0.5),
    )


def test_scenes_of_what_is_drawn_badly_come_more_often() -> None:
    shares = torch.tensor([0.2, 0.8, 0.5])
    found = odds(shares, lessons(scenes()).answers)
    easy, hard = 0.2**POWER, 0.8**POWER
    both = (easy + hard) / 2
    wanted = torch.tensor([easy, both, (easy + both + hard) / 3, hard])
    torch.testing.assert_close(found, wanted / wanted.mean())


def test_what_is_foreseen_of_an_object_is_explained() -> None:
    """A UNet that knows the pictures of object 0, and says the mean of all of object 1."""
    given = lessons(scenes())
    latents = torch.randn(len(given.ids), 4, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    mean = latents.mean((0, 2, 3))[None, :, None, None]
    kept = noise_scheduler().alphas_cumprod.float()

    def says(noised: Tensor, timesteps: Tensor, _: Tensor) -> tuple[Tensor]:
        assert (timesteps == TIMESTEP).all()
        signal = kept[TIMESTEP]
        picture = latents[:1] if near(noised, latents[:1], signal) else mean
        picture = picture + 5 * ~given.objects[:1, None]  # which is not asked for
        return ((signal.sqrt() * noised - picture) / (1 - signal).sqrt(),)

    def near(noised: Tensor, picture: Tensor, signal: Tensor) -> bool:
        return bool(torch.allclose(noised, signal.sqrt() * picture, atol=1e-5))

    stage: Any = SimpleNamespace(
        device=torch.device("cpu"),
        seed=1,
        latents=latents,
        signal=kept,
        ids=given.ids,
        noise=lambda chosen, draw: torch.zeros(len(chosen), 4, SIDE, SIDE),
        read=lambda ids: torch.zeros(*ids.shape, 8),
        networks=says,
    )
    shares = unexplained(cast(DiffusionStage, stage), given, THINGS)
    torch.testing.assert_close(shares, torch.tensor([0.0, 1.0, 0.5]), atol=1e-4, rtol=0)
