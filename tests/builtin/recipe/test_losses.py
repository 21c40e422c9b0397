"""The autoencoder's losses."""

import pytest
import torch

from kakusan.builtin.recipe.losses import kl_loss, reconstruction_loss


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
