"""Noise that tells a pose is normal noise, and tells it."""

import pytest
import torch

from kakusan.builtin.recipe.telling import patterns, told


@pytest.mark.parametrize("channels", [3, 4, 8])
def test_patterns_are_orthonormal(channels: int) -> None:
    found = patterns(5, (channels, 6, 8)).flatten(1)
    torch.testing.assert_close(found @ found.T, torch.eye(5))


def test_the_noise_tells_the_chances() -> None:
    noise, chances = torch.randn(400, 4, 8, 8), torch.rand(400, 5)
    made = told(noise, chances)
    tells = patterns(5, (4, 8, 8))
    quantiles = torch.special.ndtr(torch.einsum("bchw,ichw->bi", made, tells))
    torch.testing.assert_close(quantiles, chances, rtol=0, atol=2e-4)
    rest = made - torch.einsum("bi,ichw->bchw", torch.einsum("bchw,ichw->bi", made, tells), tells)
    same = noise - torch.einsum("bi,ichw->bchw", torch.einsum("bchw,ichw->bi", noise, tells), tells)
    torch.testing.assert_close(rest, same, rtol=1e-4, atol=1e-5)  # all else stays


def test_noise_keeps_its_law_where_chances_are_even() -> None:
    draw = torch.Generator().manual_seed(0)
    made = told(
        torch.randn(20_000, 3, 2, 2, generator=draw), torch.rand(20_000, 5, generator=draw)
    ).flatten(1)
    torch.testing.assert_close(made.mean(0), torch.zeros(12), rtol=0, atol=0.03)
    torch.testing.assert_close(torch.cov(made.T), torch.eye(12), rtol=0, atol=0.04)
    assert made.pow(4).mean() == pytest.approx(3, abs=0.1)  # as of a normal distribution


def test_a_chance_at_the_edge_is_told_as_far_as_noise_goes() -> None:
    made = told(torch.zeros(2, 4, 4, 4), torch.tensor([[0.0], [1.0]]))
    assert made.isfinite().all()
    assert made[0, 0].mean() < -0.9 < 0.9 < made[1, 0].mean()
