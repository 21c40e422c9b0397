"""Steps that go further down than asked for and add noise back, as k-diffusion's ancestral ones."""

import torch
from torch import Tensor


def ancestral_step(sigma: Tensor, following: Tensor, eta: float = 1.0) -> tuple[Tensor, Tensor]:
    """The noise levels to step down to, and to add back.

    With `eta` 1 they are the mean and deviation of DDPM's posterior (arXiv:2006.11239, equation 7)
    in terms of sigma. A step far down, of which float32 leaves no level, is computed in float64 on
    the CPU, since not every device has that.
    """
    up = _up(sigma, following, eta)
    down = (following**2 - up**2) ** 0.5
    if bool((down > 0).all()):
        return down, up
    start, end = sigma.cpu().double(), following.cpu().double()
    precise = (end**2 - _up(start, end, eta) ** 2).clamp(min=0) ** 0.5
    return torch.where(down > 0, down, precise.to(down)), up


def _up(sigma: Tensor, following: Tensor, eta: float) -> Tensor:
    added = eta * (following**2 * (sigma**2 - following**2) / sigma**2) ** 0.5
    return torch.minimum(following, added)
