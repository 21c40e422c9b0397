"""The inverse of the symmetric beta distribution, by which noise levels are spaced."""

import numpy as np
from numpy.typing import NDArray

TERMS = 64  # each is at most half of the last, so that the rest is below float64's rounding
ROUNDS = 12  # of Newton's method, which doubles the digits


def inverse_beta(probabilities: NDArray[np.floating], shape: float) -> NDArray[np.float64]:
    """Where the beta distribution with both shapes `shape` (0 to 1) reaches these probabilities.

    For x up to 1/2 the incomplete beta function is x**a times a series that converges quickly
    (DLMF 8.17.7), and by symmetry nothing else is needed. It is solved for u = x**a, of which it is
    a convex function.
    """
    p, half = np.asarray(probabilities, dtype=np.float64), np.array(0.5)
    wanted = np.minimum(p, 1 - p) * 2 * _incomplete(half, shape)
    u = wanted * shape  # the series' first term alone
    for _ in range(ROUNDS):
        x = u ** (1 / shape)
        step = (wanted - _incomplete(x, shape)) * shape * (1 - x) ** (1 - shape)
        u = np.minimum(u + step, half**shape)
    x = u ** (1 / shape)
    return np.select([p > 0.5, p < 0.5], [1 - x, x], 0.5)


def _incomplete(x: NDArray[np.float64], shape: float) -> NDArray[np.float64]:
    """The integral of t**(shape - 1) * (1 - t)**(shape - 1) from 0 to x, for x up to 1/2."""
    total, factor = np.zeros_like(x), np.ones_like(x)
    for n in range(TERMS):
        total = total + factor / (shape + n)
        factor = factor * x * (n + 1 - shape) / (n + 1)
    return x**shape * total
