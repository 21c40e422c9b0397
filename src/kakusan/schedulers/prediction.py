"""What a network predicts (noise, velocity or the clean sample) and how one follows from another.

With `sample = alpha * clean + sigma * noise` and `alpha² + sigma² = 1`, the velocity of
arXiv:2202.00512 is `alpha * noise - sigma * clean`.
"""

import math

import torch
from torch import Tensor

PREDICTION_TYPES = ("epsilon", "v_prediction", "sample")


def predicted_clean(
    kind: str, output: Tensor, sample: Tensor, alpha: Tensor, sigma: Tensor
) -> Tensor:
    """The clean sample that a model's output stands for, where `alpha² + sigma² = 1`."""
    if kind == "epsilon":
        return (sample - sigma * output) / alpha
    if kind == "v_prediction":
        return alpha * sample - sigma * output
    return output


def predicted_noise(
    kind: str, output: Tensor, sample: Tensor, alpha: Tensor, sigma: Tensor
) -> Tensor:
    """The noise that a model's output stands for, where `alpha² + sigma² = 1`."""
    if kind == "epsilon":
        return output
    if kind == "v_prediction":
        return alpha * output + sigma * sample
    return (sample - alpha * output) / sigma


def predicted_clean_unscaled(kind: str, output: Tensor, x: Tensor, sigma: Tensor) -> Tensor:
    """The clean sample where `x = clean + sigma * noise`, as k-diffusion writes it (alpha is 1)."""
    if kind == "epsilon":
        return x - sigma * output
    if kind == "v_prediction":
        return output * (-sigma / (sigma**2 + 1) ** 0.5) + x / (sigma**2 + 1)
    return output


def dynamic_threshold(clean: Tensor, ratio: float, largest: float) -> Tensor:
    """Clip each picture to its own `ratio` quantile and rescale (arXiv:2205.11487, section 2.3)."""
    flat = clean.flatten(1) if clean.dtype == torch.float64 else clean.flatten(1).float()
    limit = torch.quantile(flat.abs(), ratio, dim=1, keepdim=True).clamp(1, max(largest, 1))
    limited = torch.clamp(flat, -limit, limit) / limit
    return limited.reshape(clean.shape).to(clean.dtype)


def spread(values: Tensor, like: Tensor) -> Tensor:
    """One value per picture, shaped so that it multiplies `like`: (n,) becomes (n, 1, 1, 1)."""
    return values.reshape(math.prod(values.shape), *[1] * (like.ndim - 1))
