"""EDM's noise levels, and what networks are shown and say there (arXiv:2206.00364, table 1).

CosXL and Playground v2.5 were trained on them. There are no training timesteps: a network is told
a quarter of the logarithm of the noise level.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from kakusan.schedulers.spacings import Floats

MODELS = "a model on EDM's noise levels (CosXL, Playground v2.5)"


class Edm(NamedTuple):
    """Which noise levels a model was trained on.

    Attributes:
        sigma_min, sigma_max: the least and the most noise.
        sigma_data: the deviation of clean samples, which a model is shown variance 1 by.
    """

    sigma_min: float
    sigma_max: float
    sigma_data: float

    def known(self, count: int) -> Floats:
        """So many levels, rising by equal ratios, as ComfyUI has them in place of timesteps."""
        return np.geomspace(self.sigma_min, self.sigma_max, count)

    def timesteps(self, sigmas: Floats) -> Floats:
        """What the model is told at these levels: c_noise."""
        return 0.25 * np.log(sigmas)

    def shown(self, x: Tensor, sigma: Tensor) -> Tensor:
        """What the model is shown of `clean + sigma * noise`: scaled by c_in."""
        return x * (1 / (sigma**2 + self.sigma_data**2) ** 0.5)


def clean_of(kind: str, output: Tensor, x: Tensor, sigma: Tensor, sigma_data: float) -> Tensor:
    """The clean sample that a model's output stands for: c_skip * x + c_out * output."""
    if kind == "sample":
        return output
    total = sigma**2 + sigma_data**2
    share = sigma * sigma_data / total**0.5
    return sigma_data**2 / total * x + (-share if kind == "v_prediction" else share) * output


def karras(edm: Edm, steps: int, rho: float, dtype: torch.dtype) -> Tensor:
    """The reference's levels of a run, falling (equation 5), computed in `dtype`."""
    highest, lowest = edm.sigma_max ** (1 / rho), edm.sigma_min ** (1 / rho)
    ramp = torch.linspace(0, 1, steps, dtype=dtype)
    return ((highest + ramp * (lowest - highest)) ** rho).float()


def exponential(edm: Edm, steps: int) -> Tensor:
    """The reference's levels of a run by equal ratios, falling; one step begins at the least."""
    ends = math.log(edm.sigma_min), math.log(edm.sigma_max)
    return torch.linspace(*ends, steps).exp().flip(0)
