"""Requests that share calls of the UNet: each picture is as it would be alone."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import kakusan
from kakusan.engine import Engine
from kakusan.errors import NumericalError
from kakusan.models import DeepFeature, TextContext, UNetCall
from kakusan.sampling import Guidance, Trajectory, drive
from kakusan.schedulers import named_scheduler
from tests.sampling.ways import noise, trajectory

# scheduler, steps, guidance, tokens of the text, interval
REQUESTS = [
    ("euler-a", 5, Guidance(7.5), 77, 1),
    ("ddim", 7, Guidance(1.0), 154, 1),
    ("dpmpp-2m-karras", 4, Guidance(3.0, 0.5), 77, 1),
    ("pndm", 6, Guidance(5.0), 154, 2),
    ("heun", 3, Guidance(1.0), 77, 1),
]


@pytest.fixture(scope="module", params=[torch.float64, torch.float32], ids=["float64", "float32"])
def network(request: Any, tiny_v1: Path) -> kakusan.UNet2DConditionModel:
    unet = kakusan.UNet2DConditionModel.from_pretrained(tiny_v1, subfolder="unet")
    return unet.to(request.param)


class Counting:
    """An engine's answers, with the rows that each call of the UNet had."""

    def __init__(self, unet: kakusan.UNet2DConditionModel) -> None:
        self.rows: list[int] = []
        self._unet = unet
        self._engine = Engine(unet, None, None)  # pyright: ignore[reportArgumentType]

    def __call__(self, calls: Sequence[UNetCall]) -> list[Tensor]:
        def note(_: Any, given: tuple[Tensor, ...]) -> None:
            self.rows.append(len(given[0]))

        hook = self._unet.register_forward_pre_hook(note)
        try:
            return self._engine.predict(calls)
        finally:
            hook.remove()


def way(unet: Any, index: int) -> Trajectory:
    name, count, guidance, tokens, interval = REQUESTS[index]
    base = kakusan.DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    scheduler = named_scheduler(name, base)
    scheduler.set_timesteps(count)
    width = unet.config.cross_attention_dim
    rows = 2 if guidance.on else 1
    return trajectory(
        scheduler,
        noise(index, 1, 4, 8, 8, dtype=unet.dtype),
        noise(10 + index, rows, tokens, width, dtype=unet.dtype),
        guidance,
        interval=interval,
        generator=torch.Generator().manual_seed(index),
        pictures=range(index, index + 1),
    )


def alone(unet: Any, index: int) -> list[Tensor]:
    return [each.step.latents for each in drive([way(unet, index)], Counting(unet)) if each.step]


def close(a: Tensor, b: Tensor) -> bool:
    # float32: rounding of what a batch sums in another order, over up to twelve calls
    tolerance = 1e-9 if a.dtype == torch.float64 else 2e-4
    return torch.allclose(a, b, rtol=tolerance, atol=tolerance)


def test_requests_that_join_and_leave_are_as_each_alone(network: Any) -> None:
    """The second joins after two rounds, the others after three; they end at different rounds."""
    predict, seen = Counting(network), dict[int, list[Tensor]]()
    live = [way(network, 0)]
    waiting = {2: [way(network, 1)], 3: [way(network, i) for i in (2, 3, 4)]}
    for each in drive(live, predict):
        assert each.step is not None
        assert each.error is None
        seen.setdefault(each.pictures.start, []).append(each.step.latents)
        if each.pictures.start == 0 and each.step.index + 1 in waiting:
            live += waiting.pop(each.step.index + 1)
    assert not live
    for index in range(len(REQUESTS)):
        expected = alone(network, index)
        assert len(seen[index]) == len(expected)
        for joined, solo in zip(seen[index], expected, strict=True):
            assert close(joined, solo)
    # two rounds alone, one with the second; then two rows more of the third, and so on
    assert predict.rows[:4] == [2, 2, 3, 8]
    assert max(predict.rows) == 8


def test_a_call_with_all_lengths_reads_each_text_alone(network: Any) -> None:
    width = network.config.cross_attention_dim
    x = noise(0, 3, 4, 8, 8, dtype=network.dtype)
    texts = [noise(i, 1, n, width, dtype=network.dtype) for i, n in enumerate((77, 154, 77))]
    with torch.no_grad():
        together = network(x, 500, TextContext(*texts)).sample
        for row, text in enumerate(texts):
            assert close(together[row : row + 1], network(x[row : row + 1], 500, text).sample)


def test_who_is_taken_out_is_not_computed_any_more(network: Any) -> None:
    predict = Counting(network)
    live = [way(network, 0), way(network, 4)]
    leaving = live[0]
    for each in drive(live, predict):
        if each is leaving and each.step is not None and each.step.index == 1:
            live.remove(leaving)
    assert predict.rows == [3, 3, 1, 1, 1]
    assert not leaving.is_over


def test_what_is_not_read_is_not_computed(network: Any) -> None:
    predict = Counting(network)
    driven: Iterator[Trajectory] = drive([way(network, 0)], predict)
    next(driven)
    assert predict.rows == [2]


def broken(predict: Any, which: int, after: int) -> Any:
    """NaN in the answers of one trajectory's rows, from one round on, however it is computed."""
    rounds = 0

    def answers(calls: Sequence[UNetCall]) -> list[Tensor]:
        nonlocal rounds
        found = predict(calls)
        for index, call in enumerate(calls):
            if rounds >= after and bool((call.conditioning.tokens == float(which)).all()):
                found[index] = torch.full_like(found[index], torch.nan)
        rounds += 1
        return found

    return answers


def test_nan_in_one_row_leaves_the_others_alone(network: Any) -> None:
    marked = way(network, 1)
    marked._prompt.text.tokens.fill_(7.0)  # its rows can be told
    live = [way(network, 0), marked, way(network, 4)]
    seen, failed = dict[int, list[Tensor]](), list[Trajectory]()
    for each in drive(live, broken(Counting(network), 7, after=2)):
        if each.error is not None:
            failed.append(each)
        elif each.step is not None:
            seen.setdefault(each.pictures.start, []).append(each.step.latents)
    assert failed == [marked]
    assert isinstance(marked.error, NumericalError)
    assert len(seen[1]) == 2
    for index in (0, 4):
        for joined, solo in zip(seen[index], alone(network, index), strict=True):
            assert close(joined, solo)


def test_a_row_that_overflows_is_upcast_alone(tiny_v1: Path, monkeypatch: Any) -> None:
    unet = kakusan.UNet2DConditionModel.from_pretrained(
        tiny_v1, subfolder="unet", torch_dtype=torch.bfloat16
    )
    plain = type(unet).forward

    def overflowing(self: Any, sample: Tensor, *arguments: Any, **options: Any) -> Any:
        output = plain(self, sample, *arguments, **options)
        if self is unet:
            output[0][sample[:, 0, 0, 0] > 100.0] = torch.nan
        return output

    monkeypatch.setattr(type(unet), "forward", overflowing)
    ways = [way(unet, 1), way(unet, 1)]
    for each in ways:
        each._precise = False
    ways[1]._latents[:, 0, 0, 0] = 200.0
    ways[1]._first = (0, ways[1]._latents, ways[1]._prompt)
    first = [each for each in drive(list(ways), Counting(unet)) if each is ways[0]]
    assert len(first) == 7
    assert [each.overflowed for each in ways] == [False, True]
    assert all(each.error is None for each in ways)


def test_calls_of_other_kinds_are_answered_apart(network: Any) -> None:
    width, predict = network.config.cross_attention_dim, Counting(network)
    told = trajectory_prompt(network)
    t = torch.tensor(3)
    small, large = (
        noise(0, 1, 4, 8, 8, dtype=network.dtype),
        noise(1, 1, 4, 8, 12, dtype=network.dtype),
    )
    deep = DeepFeature()
    calls = [
        UNetCall(small, t, told),
        UNetCall(large, t, told),
        UNetCall(small, t, told, deep=deep),
        UNetCall(small, t, told, upcast=True),
    ]
    answers = predict(calls)
    assert sorted(predict.rows) == [1, 1, 2]
    assert [a.shape for a in answers] == [c.sample.shape for c in calls]
    assert close(answers[0], answers[2])
    assert deep.tensor is not None
    assert len(deep.tensor) == 1
    del width


def trajectory_prompt(unet: Any) -> Any:
    return way(unet, 4)._prompt.text
