"""Predictions in full and in part, with a network whose deep feature can be told."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from kakusan.generation import StepChange, Widening, denoise
from kakusan.models import DeepFeature, TextContext
from kakusan.predictions import Guidance, Predictions
from kakusan.schedulers import DDIMScheduler

TEXT = torch.stack([torch.full((3, 5), -1.0), torch.full((3, 5), 2.0)])


class Layered(nn.Module):
    """Adds to its input, at every position, the text's mean: that is its deep feature."""

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
            feature = encoder_hidden_states.embeddings.mean((1, 2))[:, None, None, None]
        if deep is not None:
            deep.tensor = feature
        return (x + feature,)


def calls(predictions: Predictions, unet: Layered, count: int) -> list[Tensor]:
    """What `count` calls predict of the same latents."""
    x, timestep = torch.arange(16.0).view(1, 4, 2, 2), torch.tensor(1)  # sums are exact
    return [predictions.guided(predictions.run(unet, x, timestep)) for _ in range(count)]


@pytest.mark.parametrize("interval", [1, 2, 3, 5])
@pytest.mark.parametrize("guidance", [Guidance(7.5), Guidance(3.0, 0.5), Guidance(1.0)])
def test_what_does_not_change_is_reused_exactly(guidance: Guidance, interval: int) -> None:
    unet, text = Layered(), TEXT if guidance.on else TEXT[1:]
    (exact,) = calls(Predictions(guidance, text), unet, 1)
    found = calls(Predictions(guidance, text, interval), Layered(), 11)
    assert all(torch.equal(each, exact) for each in found)


@pytest.mark.parametrize("interval", [1, 2, 3, 5])
def test_a_call_in_part_is_short_and_has_the_texts_half_alone(interval: int) -> None:
    unet = Layered()
    calls(Predictions(Guidance(7.5), TEXT, interval), unet, 11)
    due = [index % interval == 0 for index in range(11)]
    assert unet.full == due
    assert unet.rows == [2 if full else 1 for full in due]


def test_without_guidance_only_the_deep_feature_is_reused() -> None:
    unet = Layered()
    calls(Predictions(Guidance(1.0), TEXT[1:], 3), unet, 7)
    assert unet.full == [True, False, False] * 2 + [True]
    assert set(unet.rows) == {1}


def test_an_exact_run_keeps_no_feature() -> None:
    predictions = Predictions(Guidance(7.5), TEXT)
    calls(predictions, Layered(), 2)
    assert predictions._deep.tensor is predictions._direction is None


def test_new_embeddings_are_seen_at_once() -> None:
    predictions, unet = Predictions(Guidance(7.5), TEXT, 3), Layered()
    calls(predictions, unet, 2)
    predictions.show(TEXT * 4)
    found = calls(predictions, unet, 3)
    assert unet.full == [True, False, True, False, False]
    (exact,) = calls(Predictions(Guidance(7.5), TEXT * 4), Layered(), 1)
    assert all(torch.equal(each, exact) for each in found)


@pytest.mark.parametrize(
    "change", [StepChange(latents=torch.zeros(1, 4, 2, 2)), StepChange(embeddings=TEXT * 2)]
)
def test_what_a_reader_changes_makes_the_next_call_full(change: StepChange) -> None:
    unet, scheduler = Layered(), DDIMScheduler()
    scheduler.set_timesteps(8)
    arguments: Any = (unet, scheduler, torch.ones(1, 4, 2, 2), TEXT, Guidance(7.5))
    loop = denoise(*arguments, options={}, widening=Widening(), reuse_interval=4)
    sent = {1: change}
    step = next(loop)
    while not step.is_last:
        step = loop.send(sent.get(step.index))
    assert unet.full == [True, False, True, False, False, False, True, False]


def test_a_network_that_overflows_is_widened_in_full() -> None:
    class Narrow(Layered):
        compute_dtype, kept = torch.float16, True

        def forward(self, *inputs: Any, **options: Any) -> tuple[Tensor]:
            (result,) = super().forward(*inputs, **options)
            if self.kept:
                options["deep"].tensor = result.new_full((2, 1, 1, 1), torch.inf)
                result = result * torch.inf
            return (result,)

        def widened(self) -> Layered:
            twin = Narrow()
            twin.kept, twin.full = False, self.full
            return twin

    predictions, unet, widening = Predictions(Guidance(7.5), TEXT, 2), Narrow(), Widening()
    x, timestep = torch.arange(16.0).view(1, 4, 2, 2), torch.tensor(1)  # sums are exact
    found = [
        predictions.guided(
            widening.compute("UNet", unet, lambda part: predictions.run(part, x, timestep))  # pyright: ignore
        )
        for _ in range(2)
    ]
    (exact,) = calls(Predictions(Guidance(7.5), TEXT), Layered(), 1)
    assert all(torch.equal(each, exact) for each in found)
    assert unet.full == [True, True, False], "the twin is not given what overflowed"
