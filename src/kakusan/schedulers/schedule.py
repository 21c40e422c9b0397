"""Noise schedules: how much noise each training timestep has.

Everything here is small and on the CPU. The names are those of the papers: `betas` and
`alphas_cumprod` (arXiv:2006.11239), `sigma = sqrt((1 - alphas_cumprod) / alphas_cumprod)`
(arXiv:2206.00364).
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

MAX_BETA = 0.999
# An alphas_cumprod of exactly 0 would be an infinite sigma; this is the smallest float16 instead.
SMALLEST_ALPHA_CUMPROD = 2.0**-24


def make_betas(
    name: str, start: float, end: float, count: int, trained: Sequence[float] | None = None
) -> Tensor:
    """The variance that each of `count` training steps adds; `trained` replaces the formula."""
    if trained is not None:
        return torch.tensor(trained, dtype=torch.float32, device="cpu")
    return BETA_SCHEDULES[name](start, end, count)


def _linear(start: float, end: float, count: int) -> Tensor:
    return torch.linspace(start, end, count, dtype=torch.float32, device="cpu")


def _scaled_linear(start: float, end: float, count: int) -> Tensor:
    """Linear in the square root: the schedule of latent diffusion (arXiv:2112.10752)."""
    return _linear(start**0.5, end**0.5, count) ** 2


def _sigmoid(start: float, end: float, count: int) -> Tensor:
    return torch.sigmoid(_linear(-6, 6, count)) * (end - start) + start


def _cosine(t: float) -> float:
    """The cosine schedule of arXiv:2102.09672, equation 17."""
    return math.cos((t + 0.008) / 1.008 * math.pi / 2) ** 2


def _exponential_decay(t: float) -> float:
    return math.exp(-12.0 * t)


def _laplace(t: float) -> float:
    """The Laplace schedule of arXiv:2407.03297, as an `alphas_cumprod` of time."""
    log_snr = -0.5 * math.copysign(1, 0.5 - t) * math.log(1 - 2 * abs(0.5 - t) + 1e-6)
    snr = math.exp(log_snr)
    return math.sqrt(snr / (1 + snr))


def _from_alphas_cumprod(curve: Callable[[float], float]) -> Callable[[float, float, int], Tensor]:
    """A beta schedule whose `alphas_cumprod` follows `curve` over time in [0, 1]."""

    def betas(_start: float, _end: float, count: int) -> Tensor:
        ends = [curve(step / count) for step in range(count + 1)]
        values = [min(1 - ends[i + 1] / ends[i], MAX_BETA) for i in range(count)]
        return torch.tensor(values, dtype=torch.float32, device="cpu")

    return betas


BETA_SCHEDULES: dict[str, Callable[[float, float, int], Tensor]] = {
    "linear": _linear,
    "scaled_linear": _scaled_linear,
    "squaredcos_cap_v2": _from_alphas_cumprod(_cosine),
    "sigmoid": _sigmoid,
    "exp": _from_alphas_cumprod(_exponential_decay),
    "laplace": _from_alphas_cumprod(_laplace),
}


def zero_terminal_snr(betas: Tensor) -> Tensor:
    """Stretch a schedule so that its last step is pure noise (arXiv:2305.08891, Algorithm 1)."""
    roots = torch.cumprod(1.0 - betas, dim=0).sqrt()
    first, last = roots[0], roots[-1]
    alphas_cumprod = ((roots - last) * (first / (first - last))) ** 2
    return 1 - torch.cat([alphas_cumprod[:1], alphas_cumprod[1:] / alphas_cumprod[:-1]])


def all_sigmas(alphas_cumprod: Tensor) -> NDArray[np.float32]:
    """The noise level of every training timestep, increasing."""
    return (((1 - alphas_cumprod) / alphas_cumprod) ** 0.5).numpy()
