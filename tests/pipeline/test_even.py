"""Calls of one number of rows, in which a picture does not depend on its neighbours."""

import random

import numpy as np
import pytest
import torch
from torch import Tensor

import kakusan
from kakusan.errors import RequestError
from kakusan.models import Conditioning, UNetCall
from kakusan.pipeline import draw_together
from kakusan.pipeline.company import JOINED
from kakusan.pipeline.even import even

SMALL = {"height": 64, "width": 64}
REQUESTS = [
    kakusan.Request.of("a cat", seed=1, num_inference_steps=2, **SMALL),
    kakusan.Request.of("a dog", seed=2, num_inference_steps=3, scheduler="euler-a", **SMALL),
    kakusan.Request.of("a fox", seed=3, num_inference_steps=2, guidance_scale=1.0, **SMALL),
    kakusan.Request.of("an owl", seed=4, num_inference_steps=2, scheduler="heun", **SMALL),
    kakusan.Request.of("a boat", seed=5, num_inference_steps=2, height=64, width=128),
]


def call(number: int, *, length: int = 3, side: int = 2) -> UNetCall:
    tokens = torch.zeros(1, length, 4)
    sample = torch.full((1, 4, side, side), float(number))
    return UNetCall(sample, torch.tensor(number), Conditioning(tokens))


def test_each_call_has_as_many_rows_of_one_kind() -> None:
    asked: list[list[UNetCall]] = []

    def predict(calls: list[UNetCall]) -> list[Tensor]:
        asked.append(calls)
        return [each.sample + 100 for each in calls]

    calls = [call(0), call(1, length=6), call(2), call(3, side=4), call(4), call(5)]
    answers = even(predict, 3)(calls)  # pyright: ignore[reportArgumentType]
    assert [float(each.mean()) for each in answers] == [100 + n for n in range(6)]
    assert all(len(each) == 3 for each in asked)
    numbers = sorted(sorted({int(one.timestep) for one in each}) for each in asked)
    assert numbers == [[0, 2, 4], [1], [3], [5]]
    for each in asked:
        assert len({id(one.timestep) for one in each}) == 3
        assert len({one.conditioning.tokens.shape for one in each}) == 1


@pytest.fixture(scope="module")
def builtin() -> kakusan.StableDiffusionPipeline:
    pipe = kakusan.StableDiffusionPipeline.from_pretrained("builtin")
    pipe.set_progress_bar_config(disable=True)
    return pipe


def drawn(pipe: kakusan.StableDiffusionPipeline, order: list[int], most: int) -> dict[int, bytes]:
    requests = [REQUESTS[number] for number in order]
    found = draw_together(pipe, requests, most=most, rows=3)
    return {order[at]: np.asarray(picture.image).tobytes() for at, picture in found}


@pytest.mark.parametrize("native", [True, False], ids=["own kernels", "torch"])
def test_pixels_do_not_depend_on_neighbours(
    native: bool, builtin: kakusan.StableDiffusionPipeline, request: pytest.FixtureRequest
) -> None:
    if not native:
        request.getfixturevalue("torch_only")
    order = list(range(len(REQUESTS)))
    first = drawn(builtin, order, most=3)
    random.Random(7).shuffle(order)
    assert drawn(builtin, order, most=2) == first
    assert drawn(builtin, [3], most=1) == {3: first[3]}


def test_their_records_say_that_they_were_not_drawn_alone(
    builtin: kakusan.StableDiffusionPipeline,
) -> None:
    ((_, picture),) = draw_together(builtin, REQUESTS[:1], rows=2)
    assert JOINED in picture.record["notes"]


@pytest.mark.parametrize("rows", [1, 0, 2.0, True])
def test_rows_are_at_least_two(rows: object, builtin: kakusan.StableDiffusionPipeline) -> None:
    with pytest.raises(RequestError, match="rows must be a whole number above 1, or None"):
        draw_together(builtin, REQUESTS, rows=rows)  # pyright: ignore
