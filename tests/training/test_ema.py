"""The moving average of weights."""

import pytest
import torch

from kakusan.training.ema import MovingAverage


def test_the_average_follows_quickly_at_first_and_keeps_to_its_decay() -> None:
    weight = torch.zeros(3)
    average = MovingAverage([weight], decay=0.5)
    weight.fill_(1)
    average.update([weight])
    assert average.averages[0].tolist() == pytest.approx([9 / 11] * 3)  # decay 2 / 11
    for _ in range(50):
        average.update([weight])
    before = average.averages[0].clone()
    weight.fill_(3)
    average.update([weight])
    assert torch.allclose(average.averages[0], 0.5 * before + 0.5 * 3)


def test_the_average_is_copied_into_parameters() -> None:
    average = MovingAverage([torch.ones(2)], decay=0.9)
    target = torch.nn.Parameter(torch.zeros(2))
    average.copy_to([target])
    assert target.tolist() == [1, 1]
