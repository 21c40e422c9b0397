"""Calls with residuals, pictures or FreeU: not recorded, and the same in float32 repeats."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from kakusan.engine import Engine, Placement, acceleration
from kakusan.engine.acceleration import Acceleration
from kakusan.engine.cuda_graph import GraphedCalls, Recording
from kakusan.models import (
    Conditioning,
    FreeU,
    ImageTokens,
    Residuals,
    UNet2DConditionModel,
    UNetCall,
)
from kakusan.sampling import Guidance, Steering
from kakusan.schedulers import DDIMScheduler
from tests.models.comparing import assert_near, noise
from tests.models.test_image_tokens import layers
from tests.sampling import ways


def kinds(unet: UNet2DConditionModel) -> list[dict[str, Any]]:
    """What a call may carry besides; nothing comes first."""
    text = noise(1, 7, 32, seed=1)
    picture = ImageTokens(noise(1, 4, 32), layers(unet))
    return [
        {"conditioning": Conditioning(text)},
        {"residuals": Residuals(features=(noise(1, 16, 8, 8),))},
        {"freeu": FreeU(1.5, 1.6, 0.9, 0.2)},
        {"conditioning": Conditioning(text, image_tokens=(picture,))},
    ]


@torch.no_grad()
def test_recordings_take_plain_calls_alone(tiny_v1: Path, monkeypatch: Any) -> None:
    unet = UNet2DConditionModel.from_pretrained(tiny_v1 / "unet")
    made: list[int] = []

    def recorder(function: Any, inputs: Sequence[Tensor]) -> Recording:
        made.append(len(inputs))
        fixed = tuple(each.clone() for each in inputs)
        output = function(*fixed)
        return Recording(lambda: output.copy_(function(*fixed)), fixed, output)

    monkeypatch.setattr(
        acceleration, "GraphedCalls", lambda f, w: GraphedCalls(f, w, recorder, lambda _: 0)
    )
    monkeypatch.setattr("kakusan.engine.engine.RECORDABLE", "cpu")
    fast = Engine(unet, None, None, placement=Placement(acceleration=Acceleration("graphs")))
    plain = Engine(unet, None, None)
    first = kinds(unet)[0]
    for index, more in enumerate(kinds(unet)):
        call = UNetCall(noise(1, 4, 8, 8), torch.tensor(500), **{**first, **more})
        assert torch.equal(fast.predict([call])[0], plain.predict([call])[0])
        assert len(made) == 1, index


@pytest.mark.parametrize("kind", range(1, 4))
@torch.no_grad()
def test_the_float32_repeat_has_them_too(tiny_v1: Path, kind: int) -> None:
    half = UNet2DConditionModel.from_pretrained(tiny_v1 / "unet", torch_dtype=torch.bfloat16)
    rounded = UNet2DConditionModel.from_pretrained(tiny_v1 / "unet").to(torch.bfloat16)
    exact = rounded.to(torch.float32)
    first, more = kinds(exact)[0], kinds(exact)[kind]
    call = UNetCall(noise(1, 4, 8, 8), torch.tensor(500), **{**first, **more})
    expected = Engine(exact, None, None).predict([call])[0]
    engine = Engine(half, None, None)
    assert not torch.equal(engine.predict([call])[0], expected)
    assert_near(engine.predict([call._replace(upcast=True)])[0], expected)


class Overflowing(Steering):
    """Notes which questions are to be computed in float32; overflows in the others of one step."""

    def __init__(self) -> None:
        self.asked = list[bool]()

    def ask(self, call: UNetCall) -> UNetCall:
        self.asked.append(call.upcast)
        if call.upcast or len(self.asked) < 3:
            return call
        return call._replace(sample=torch.full_like(call.sample, torch.nan))


def test_what_steers_is_told_to_compute_in_float32(tiny_v1: Path) -> None:
    unet = UNet2DConditionModel.from_pretrained(tiny_v1 / "unet", torch_dtype=torch.bfloat16)
    scheduler, steering = DDIMScheduler(), Overflowing()
    scheduler.set_timesteps(4)
    way = ways.trajectory(
        scheduler,
        noise(1, 4, 8, 8),
        noise(1, 7, 32),
        Guidance(1.0),
        steering=[steering],
        computes_in_float32=False,
    )
    ways.steps(way, unet)
    assert way.overflowed
    assert steering.asked == [False, False, False, True, True]
