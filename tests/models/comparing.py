"""Comparing whole tensors, and whole sets of gradients, with the reference's."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from kakusan.models import Model


def assert_near(ours: Tensor, theirs: Tensor, limit: float = 1e-5) -> None:
    """The largest difference is at most `limit` of the largest value."""
    assert ours.shape == theirs.shape
    assert ours.dtype == theirs.dtype
    scale = theirs.abs().max().clamp(min=1e-12)
    error = float((ours - theirs).abs().max() / scale)
    assert error <= limit, f"relative error {error:.2g}"


def assert_gradients_near(
    ours: Model, theirs: nn.Module, loss: Tensor, their_loss: Tensor, limit: float = 2e-5
) -> None:
    """The gradients of all parameters agree after both losses went backward."""
    loss.backward()
    their_loss.backward()
    expected = ours.from_published_tensors(gradients(theirs))
    found = gradients(ours)
    assert found.keys() == expected.keys()
    scale = max(float(gradient.abs().max()) for gradient in expected.values())
    for name, gradient in found.items():
        error = float((gradient - expected[name]).abs().max())
        assert error <= limit * scale, f"{name}: {error / scale:.2g}"


def gradients(module: nn.Module) -> Mapping[str, Tensor]:
    """By parameter name; those that the loss does not reach are left out."""
    return {
        name: parameter.grad
        for name, parameter in module.named_parameters()
        if parameter.grad is not None
    }


def noise(*shape: int, seed: int = 0) -> Tensor:
    """Normal noise that is the same each time."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))
