"""Noise that is added before a step, lines 4 to 6 of Algorithm 2 in arXiv:2206.00364."""

from torch import Tensor

from kakusan.schedulers.noise import Generators, noise_like

MOST = 2**0.5 - 1  # by which a noise level rises


def churned(
    x: Tensor,
    sigma: Tensor,
    steps: int,
    like: Tensor,
    *,
    s_churn: float,
    s_tmin: float,
    s_tmax: float,
    s_noise: float,
    generator: Generators,
) -> tuple[Tensor, Tensor]:
    """The sample and its noise level before one of so many steps, perhaps with noise added.

    The model has said before that what it says, as with the reference's `EulerDiscreteScheduler`.

    Args:
        like: what noise is drawn as.
        s_churn: over `steps`, the share of itself by which a level rises; 0 adds nothing.
        s_tmin, s_tmax: between which levels that happens.
        s_noise: scales the noise.
    """
    churn = min(s_churn / steps, MOST) if s_tmin <= float(sigma) <= s_tmax else 0.0
    if churn <= 0:
        return x, sigma
    higher = sigma * (1 + churn)
    return x + noise_like(like, generator) * s_noise * (higher**2 - sigma**2) ** 0.5, higher
