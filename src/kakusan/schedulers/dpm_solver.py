"""DPM-Solver (arXiv:2206.00927) and DPM-Solver++ (arXiv:2211.01095): the weights of one step."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from kakusan.schedulers.levels import Level


class Weights(NamedTuple):
    """x = sample * x + terms[0] * D0 + terms[1] * D1 + terms[2] * D2 + noise * z."""

    sample: Tensor
    terms: tuple[Tensor, Tensor, Tensor]
    noise: Tensor | None = None


# Each solver's exact integrals of the Taylor terms; `half` is the midpoint choice for the second.


def _ode_of_clean(end: Level, start: Level, h: Tensor, half: bool) -> Weights:
    """arXiv:2211.01095, Algorithm 2 and appendix B."""
    e = torch.exp(-h) - 1.0
    first = -0.5 * (end.alpha * e) if half else end.alpha * (e / h + 1.0)
    second = -end.alpha * ((e + h) / h**2 - 0.5)
    return Weights(end.sigma / start.sigma, (-end.alpha * e, first, second))


def _sde_of_clean(end: Level, start: Level, h: Tensor, half: bool) -> Weights:
    """arXiv:2211.01095, equation 20: the reverse SDE, with noise."""
    e = 1 - torch.exp(-2.0 * h)
    first = 0.5 * (end.alpha * e) if half else end.alpha * (e / (-2.0 * h) + 1.0)
    second = end.alpha * ((e - 2.0 * h) / (2.0 * h) ** 2 - 0.5)
    kept = end.sigma / start.sigma * torch.exp(-h)
    return Weights(kept, (end.alpha * e, first, second), end.sigma * torch.sqrt(e))


def _ode_of_noise(end: Level, start: Level, h: Tensor, half: bool) -> Weights:
    """arXiv:2206.00927, equations 3.7 and B.5."""
    e = torch.exp(h) - 1.0
    first = -0.5 * (end.sigma * e) if half else -end.sigma * (e / h - 1.0)
    second = -end.sigma * ((e - h) / h**2 - 0.5)
    return Weights(end.alpha / start.alpha, (-end.sigma * e, first, second))


def _sde_of_noise(end: Level, start: Level, h: Tensor, half: bool) -> Weights:
    """arXiv:2211.01095, equation 18: the terms of the ODE doubled, with noise."""
    kept, (zeroth, first, second), _ = _ode_of_noise(end, start, h, half)
    noise = end.sigma * torch.sqrt(torch.exp(2 * h) - 1.0)
    return Weights(kept, (2 * zeroth, 2 * first, 2 * second), noise)


SOLVERS: dict[str, Callable[[Level, Level, Tensor, bool], Weights]] = {
    "dpmsolver++": _ode_of_clean,
    "sde-dpmsolver++": _sde_of_clean,
    "dpmsolver": _ode_of_noise,
    "sde-dpmsolver": _sde_of_noise,
}
