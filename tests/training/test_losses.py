"""The autoencoder's losses, and the moving average of weights."""

import pytest
import torch

from kakusan.training.ema import MovingAverage
from kakusan.training.losses import kl_loss, reconstruction_loss


def test_a_perfect_reconstruction_costs_nothing_and_a_blur_more_than_its_error() -> None:
    picture = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    assert reconstruction_loss(picture, picture) == 0
    # A constant offset has an error but no error of differences.
    assert reconstruction_loss(picture + 0.5, picture) == pytest.approx(0.5 + 0.25, abs=1e-5)
    edges = torch.zeros(1, 3, 8, 8)
    edges[..., ::2] = 1
    assert reconstruction_loss(edges, torch.full_like(edges, 0.5)) > 0.5 + 0.25


def test_kl_agrees_with_torch() -> None:
    mean, logvar = torch.randn(2, 100, generator=torch.Generator().manual_seed(0))
    ours = kl_loss(mean, logvar)
    theirs = torch.distributions.kl_divergence(
        torch.distributions.Normal(mean, (0.5 * logvar).exp()),
        torch.distributions.Normal(torch.zeros(100), torch.ones(100)),
    ).mean()
    assert ours == pytest.approx(float(theirs), rel=1e-5)


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
