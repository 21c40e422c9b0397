"""The denoising loop, guidance and noise, with networks of one line."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from kakusan.errors import NumericalError
from kakusan.generation import StepChange, Widening, denoise
from kakusan.models import Model, TextContext
from kakusan.predictions import Guidance
from kakusan.schedulers import DDIMScheduler, HeunDiscreteScheduler, PNDMScheduler


class Constant(nn.Module):
    """Sees the same noise whatever it is shown, and counts how often it is asked."""

    def __init__(self, noise: Tensor) -> None:
        super().__init__()
        self.noise, self.calls = noise, 0

    def forward(self, x: Tensor, timestep: Tensor, encoder_hidden_states: TextContext) -> Any:
        self.calls += 1
        scale = encoder_hidden_states.embeddings.mean(dim=(1, 2)).view(-1, 1, 1, 1)
        return (self.noise.expand_as(x) * scale,)


def run(unet: nn.Module, scheduler: Any, guidance: Guidance) -> list[Any]:
    rows = 2 if guidance.on else 1
    embeddings = torch.ones(rows, 3, 5)
    latents = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    return list(
        denoise(unet, scheduler, latents, embeddings, guidance, options={}, widening=Widening())
    )  # pyright: ignore


@pytest.mark.parametrize("steps", [1, 2, 10])
def test_the_loop_counts_and_ends_where_the_last_step_says(steps: int) -> None:
    scheduler = DDIMScheduler()
    scheduler.set_timesteps(steps)
    seen = run(Constant(torch.randn(1, 4, 8, 8)), scheduler, Guidance(1.0))
    assert [step.index for step in seen] == list(range(steps))
    assert [step.is_last for step in seen] == [False] * (steps - 1) + [True]
    assert all(step.total == steps for step in seen)
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


def test_guidance_one_is_the_conditional_branch_alone() -> None:
    prediction = torch.randn(2, 4, 8, 8)
    assert Guidance(1.0).combine(prediction) is prediction
    assert not Guidance(1.0).on
    u, t = prediction.chunk(2)
    assert torch.equal(Guidance(7.5).combine(prediction), u + 7.5 * (t - u))


def test_rescaled_guidance_has_the_texts_deviation() -> None:
    prediction = torch.randn(4, 4, 8, 8)
    text = prediction.chunk(2)[1]
    whole = Guidance(9.0, 1.0).combine(prediction)
    torch.testing.assert_close(whole.std(dim=(1, 2, 3)), text.std(dim=(1, 2, 3)))


def test_a_reader_can_change_latents_and_stop() -> None:
    scheduler = DDIMScheduler()
    scheduler.set_timesteps(4)
    unet = Constant(torch.zeros(1, 1, 2, 2))
    loop = denoise(
        unet,
        scheduler,
        torch.ones(1, 1, 2, 2),
        torch.ones(1, 1, 1),
        Guidance(1.0),
        options={},
        widening=Widening(),
    )  # pyright: ignore
    next(loop)
    changed = loop.send(StepChange(latents=torch.zeros(1, 1, 2, 2)))
    assert changed.latents.abs().max() == 0
    with pytest.raises(StopIteration):
        loop.send(StepChange(stop=True))
    assert unet.calls == 2


class Overflowing(Model[Any]):
    """Gives infinity in anything narrower than float32, as half-precision networks do."""

    def __init__(self) -> None:
        super().__init__(None)
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        return x if self.weight.dtype == torch.float32 else x / 0.0

    from_published_tensors = to_published_tensors = None  # pyright: ignore


def test_a_stage_that_overflows_is_done_again_in_float32_and_stays_as_it_is() -> None:
    part, widening = Overflowing().to(torch.bfloat16), Widening()
    for _ in range(2):
        result = widening.compute("VAE", part, lambda vae: vae(torch.ones(3)))
        assert torch.equal(result, torch.ones(3))
    assert part.weight.dtype == torch.bfloat16, "other runs may be using it"
    assert widening.notes == ["VAE computed in float32: bfloat16 overflowed"]
    assert Widening().compute("VAE", part.widened(), lambda vae: vae(torch.ones(3))).sum() == 3


def test_a_network_that_is_moved_makes_a_new_twin() -> None:
    part = Overflowing().to(torch.bfloat16)
    twin = part.widened()
    assert part.widened() is twin
    assert part.to(torch.float16).widened() is not twin


def test_nan_in_float32_is_an_error() -> None:
    with pytest.raises(NumericalError, match="UNet"):
        Widening().compute("UNet", Overflowing(), lambda _: torch.tensor([float("nan")]))
