"""Recordings and their replay, with a recorder that works anywhere."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from kakusan.engine import cuda_graph
from kakusan.engine.cuda_graph import GraphedCalls, Recording

WEIGHT = torch.tensor(3.0)


class Recorder:
    """Records as CUDA does: a replay reads and writes the same memory every time."""

    def __init__(self) -> None:
        self.recorded: list[tuple[int, ...]] = []

    def __call__(self, function: Callable[..., Tensor], inputs: Sequence[Tensor]) -> Recording:
        fixed = tuple(each.clone() for each in inputs)
        output = torch.full_like(function(*fixed), float("nan"))
        self.recorded.append(tuple(inputs[0].shape))
        return Recording(lambda: output.copy_(function(*fixed)), fixed, output)


def scaled(x: Tensor, y: Tensor) -> Tensor:
    return x * WEIGHT + y


def calls(recorder: Recorder, **options: Any) -> GraphedCalls:
    return GraphedCalls(scaled, [WEIGHT], recorder, **{"queue": lambda _: 0, **options})


def test_each_shape_layout_and_dtype_is_recorded_once() -> None:
    recorder = Recorder()
    graphed = calls(recorder)
    a, b = torch.randn(2, 3, 4, 5), torch.randn(1, 3, 4, 5)
    kinds = [a, b, a.to(memory_format=torch.channels_last), a.double()]
    for _ in range(3):
        for x in kinds:
            y = torch.randn_like(x)
            assert torch.equal(graphed(x, y), scaled(x, y))
    assert recorder.recorded == [tuple(x.shape) for x in kinds]


def test_a_result_outlives_the_next_replay() -> None:
    graphed = calls(Recorder())
    first, second = (graphed(torch.full((2,), n), torch.zeros(2)) for n in (1.0, 2.0))
    assert first.tolist() == [3.0, 3.0]
    assert second.tolist() == [6.0, 6.0]


def test_each_stream_has_recordings_of_its_own() -> None:
    recorder, current = Recorder(), iter([7, 8, 7])
    graphed = calls(recorder, queue=lambda _: next(current))
    for _ in range(3):
        graphed(torch.ones(2), torch.ones(2))
    assert len(recorder.recorded) == 2


def test_weights_that_moved_are_recorded_anew() -> None:
    recorder, weight = Recorder(), torch.nn.Parameter(torch.tensor(2.0))
    graphed = GraphedCalls(lambda x: x * weight.data, [weight], recorder, lambda _: 0)
    assert graphed(torch.ones(())).item() == 2
    weight.data = torch.tensor(5.0)
    assert graphed(torch.ones(())).item() == 5
    weight.data.fill_(6.0)  # in place: the recording reads it
    assert graphed(torch.ones(())).item() == 6
    assert len(recorder.recorded) == 2


def test_the_oldest_recording_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_graph, "MOST_RECORDINGS", 2)
    recorder = Recorder()
    graphed = calls(recorder)
    for size in (1, 2, 1, 3, 2, 1):
        graphed(torch.ones(size), torch.ones(size))
    assert recorder.recorded == [(1,), (2,), (3,), (1,)]


def test_threads_share_a_recording_and_not_each_others_numbers() -> None:
    recorder = Recorder()
    graphed, wrong = calls(recorder), list[float]()

    def call(number: float) -> None:
        for _ in range(200):
            result = graphed(torch.full((50,), number), torch.zeros(50))
            if not torch.equal(result, torch.full((50,), 3 * number)):
                wrong.append(number)

    threads = [threading.Thread(target=call, args=(float(n),)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert recorder.recorded == [(50,)]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_replays_what_it_recorded() -> None:
    weight = torch.tensor(3.0, device="cuda")
    graphed = GraphedCalls(lambda x, y: x * weight + y, [weight])
    for _ in range(3):
        x, y = torch.randn(2, 5, device="cuda"), torch.randn(2, 5, device="cuda")
        assert torch.equal(graphed(x, y), x * weight + y)
