"""Guidance, and one trajectory alone, with networks of one line."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from kakusan.errors import NumericalError
from kakusan.models import TextContext
from kakusan.sampling import Guidance, Steering, Step
from kakusan.schedulers import DDIMScheduler, HeunDiscreteScheduler, PNDMScheduler
from tests.sampling.ways import noise, steps, trajectory


class Constant(nn.Module):
    """Sees the same noise whatever it is shown, and counts how often it is asked."""

    def __init__(self, seen: Tensor) -> None:
        super().__init__()
        self.seen, self.calls = seen, 0

    def forward(self, x: Tensor, timestep: Tensor, encoder_hidden_states: TextContext) -> Any:
        self.calls += 1
        (embeddings,) = encoder_hidden_states.embeddings
        return (self.seen.expand_as(x) * embeddings.mean(dim=(1, 2)).view(-1, 1, 1, 1),)


def run(unet: nn.Module, scheduler: Any, guidance: Guidance, **options: Any) -> list[Step]:
    embeddings = torch.ones(2 if guidance.on else 1, 3, 5)
    return steps(trajectory(scheduler, noise(0, 1, 4, 8, 8), embeddings, guidance, **options), unet)


@pytest.mark.parametrize("count", [1, 2, 10])
def test_the_loop_counts_and_ends_where_the_last_step_says(count: int) -> None:
    scheduler = DDIMScheduler()
    scheduler.set_timesteps(count)
    seen = run(Constant(torch.randn(1, 4, 8, 8)), scheduler, Guidance(1.0))
    assert [step.index for step in seen] == list(range(count))
    assert [step.is_last for step in seen] == [False] * (count - 1) + [True]
    assert all(step.total == count for step in seen)
    sigmas = [step.sigma for step in seen]
    assert sigmas == sorted(sigmas, reverse=True)


@pytest.mark.parametrize(
    ("scheduler", "calls"),
    [(PNDMScheduler(skip_prk_steps=True), 51), (HeunDiscreteScheduler(), 99)],
)
def test_model_calls_of_50_steps(scheduler: Any, calls: int) -> None:
    scheduler.set_timesteps(50)
    unet = Constant(torch.zeros(1, 4, 8, 8))
    assert len(run(unet, scheduler, Guidance(1.0))) == calls == unet.calls


def test_guidance_pushes_away_from_the_unconditional() -> None:
    u, t = torch.randn(1, 4, 8, 8), torch.randn(1, 4, 8, 8)
    assert torch.equal(Guidance(7.5).combine(u, t), u + 7.5 * (t - u))
    assert not Guidance(1.0).on


def test_without_guidance_the_text_alone_is_asked() -> None:
    scheduler = DDIMScheduler()
    scheduler.set_timesteps(2)
    way = trajectory(scheduler, noise(0, 1, 4, 8, 8), torch.ones(1, 3, 5), Guidance(1.0))
    (call,) = way.ask()
    assert len(call.sample) == 1


def test_rescaled_guidance_has_the_texts_deviation() -> None:
    u, t = torch.randn(2, 4, 8, 8), torch.randn(2, 4, 8, 8)
    whole = Guidance(9.0, 1.0).combine(u, t)
    torch.testing.assert_close(whole.std(dim=(1, 2, 3)), t.std(dim=(1, 2, 3)))


class Zeroing(Steering):
    """Clears latents after the first step, and stops after the second."""

    def after(self, step: Step) -> Step:
        if step.index == 0:
            return replace(step, latents=torch.zeros_like(step.latents))
        return replace(step, stop=True)


def test_a_steering_can_change_latents_and_stop() -> None:
    scheduler = DDIMScheduler()
    scheduler.set_timesteps(4)
    unet = Constant(torch.zeros(1, 4, 8, 8))
    seen = run(unet, scheduler, Guidance(1.0), steering=[Zeroing()])
    assert unet.calls == len(seen) == 2
    assert seen[0].latents.abs().max() == seen[1].latents.abs().max() == 0
    assert seen[1].is_last


def test_nan_in_float32_is_an_error() -> None:
    scheduler = DDIMScheduler()
    scheduler.set_timesteps(4)
    with pytest.raises(NumericalError, match="UNet"):
        run(Constant(torch.full((1, 4, 8, 8), torch.nan)), scheduler, Guidance(3.0))
