"""Calls in full and in part, with a network whose deep feature can be told."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from kakusan.models import Conditioning, DeepFeature, TextContext
from kakusan.sampling import Guidance, Guided, Prompt, Reused, Steering, Step
from kakusan.schedulers import DDIMScheduler
from tests.sampling.ways import engine, prompt, steps, trajectory

TEXT = torch.stack([torch.full((3, 5), -1.0), torch.full((3, 5), 2.0)])


class Layered(nn.Module):
    """Adds to its input, at every position, the text's mean: that is its deep feature."""

    compute_dtype = torch.float32

    def compute_dtype_on(self, device: torch.device) -> torch.dtype:
        return self.compute_dtype

    @property
    def device(self) -> torch.device:
        return torch.device("cpu")

    def __init__(self) -> None:
        super().__init__()
        self.full: list[bool] = []
        self.rows: list[int] = []

    def forward(
        self,
        x: Tensor,
        timestep: Tensor,
        encoder_hidden_states: TextContext,
        deep: DeepFeature | None = None,
    ) -> tuple[Tensor]:
        feature = None if deep is None else deep.tensor
        self.full.append(feature is None)
        self.rows.append(len(x))
        if feature is None:
            (embeddings,) = encoder_hidden_states.embeddings
            feature = embeddings.mean((1, 2))[:, None, None, None]
        if deep is not None:
            deep.tensor = feature
        return (x + feature,)


def calls(predictor: Any, guidance: Guidance, unet: Layered, count: int) -> list[Tensor]:
    """What `count` steps predict of the same latents."""
    x, timestep = torch.arange(16.0).view(1, 4, 2, 2), torch.tensor(1)  # sums are exact
    told = prompt(TEXT if guidance.on else TEXT[1:], guidance)
    predict = engine(unet).predict
    return [predictor.combine(predict(predictor.ask(x, timestep, told))) for _ in range(count)]


@pytest.mark.parametrize("interval", [1, 2, 3, 5])
@pytest.mark.parametrize("guidance", [Guidance(7.5), Guidance(3.0, 0.5), Guidance(1.0)])
def test_what_does_not_change_is_reused_exactly(guidance: Guidance, interval: int) -> None:
    (exact,) = calls(Guided(guidance), guidance, Layered(), 1)
    found = calls(Reused(guidance, interval), guidance, Layered(), 11)
    assert all(torch.equal(each, exact) for each in found)


@pytest.mark.parametrize("interval", [1, 2, 3, 5])
def test_a_call_in_part_is_short_and_has_the_texts_half_alone(interval: int) -> None:
    unet = Layered()
    calls(Reused(Guidance(7.5), interval), Guidance(7.5), unet, 11)
    due = [index % interval == 0 for index in range(11)]
    assert unet.full == due
    assert unet.rows == [2 if full else 1 for full in due]


def test_without_guidance_only_the_deep_feature_is_reused() -> None:
    unet = Layered()
    calls(Reused(Guidance(1.0), 3), Guidance(1.0), unet, 7)
    assert unet.full == [True, False, False] * 2 + [True]
    assert set(unet.rows) == {1}


class Changing(Steering):
    """Changes latents or text after the second step."""

    def __init__(self, what: str) -> None:
        self.what = what

    def after(self, step: Step) -> Step:
        if step.index != 1:
            return step
        if self.what == "latents":
            return replace(step, latents=torch.zeros_like(step.latents))
        text, negative = Conditioning(TEXT[1:] * 2), Conditioning(TEXT[:1] * 2)
        return replace(step, prompt=Prompt(text, negative))


@pytest.mark.parametrize("what", ["latents", "text"])
def test_what_is_changed_makes_the_next_call_full(what: str) -> None:
    unet, scheduler = Layered(), DDIMScheduler()
    scheduler.set_timesteps(8)
    steering = [Changing(what)]
    way = trajectory(
        scheduler, torch.ones(1, 4, 2, 2), TEXT, Guidance(7.5), interval=4, steering=steering
    )
    assert len(steps(way, unet)) == 8
    assert unet.full == [True, False, True, False, False, False, True, False]


def test_a_network_that_overflows_is_upcast_in_full() -> None:
    class Narrow(Layered):
        compute_dtype, overflows = torch.float16, True

        def forward(self, *inputs: Any, **options: Any) -> tuple[Tensor]:
            (result,) = super().forward(*inputs, **options)
            if self.overflows:
                options["deep"].tensor = result.new_full((2, 1, 1, 1), torch.inf)
                result = result * torch.inf
            return (result,)

        def upcast(self) -> Layered:
            copy = Narrow()
            copy.overflows, copy.full = False, self.full
            return copy

    def latents(unet: Layered, interval: int) -> list[Tensor]:
        scheduler = DDIMScheduler()
        scheduler.set_timesteps(2)
        way = trajectory(
            scheduler, torch.ones(1, 4, 2, 2), TEXT, Guidance(7.5), interval=interval,
            computes_in_float32=unet.compute_dtype == torch.float32,
        )  # fmt: skip
        found = steps(way, unet)
        assert way.overflowed == isinstance(unet, Narrow)
        return [step.latents for step in found]

    narrow = Narrow()
    expected = latents(Layered(), 2)
    assert all(map(torch.equal, latents(narrow, 2), expected))
    assert narrow.full == [True, True, False], "the copy is not given what overflowed"
