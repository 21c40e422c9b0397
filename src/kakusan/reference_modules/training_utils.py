"""Functions that training scripts import from the reference library's module of this name."""

import random

import numpy as np
import torch
from torch import Tensor

from kakusan.later import missing_name
from kakusan.schedulers import Scheduler

__all__ = ["compute_snr", "set_seed"]


def __getattr__(name: str) -> object:
    raise missing_name("kakusan.training_utils", name, __all__)


def compute_snr(noise_scheduler: Scheduler, timesteps: Tensor) -> Tensor:
    """The signal-to-noise ratio at training timesteps (n,), for the weights of arXiv:2303.09556."""
    alphas_cumprod = noise_scheduler.alphas_cumprod.to(timesteps.device, torch.float32)[timesteps]
    return alphas_cumprod / (1 - alphas_cumprod)


def set_seed(seed: int) -> None:
    """Seed the process's generators: Python's, NumPy's, and torch's on every device."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
