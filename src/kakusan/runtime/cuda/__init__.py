"""Kernels for CUDA devices, in Triton, which comes with PyTorch for them on Linux."""

import functools
import os
import shutil
from collections.abc import Callable

import torch
from torch import Tensor

GroupNorm = Callable[[Tensor, int, Tensor, Tensor, float, bool], Tensor]


def group_norm_for(x: Tensor, weight: Tensor, bias: Tensor) -> GroupNorm | None:
    """The package's group normalisation, if it can compute this; None leaves it to torch.

    torch.compile makes better ones itself, and gradients are torch's.
    """
    if not x.is_cuda or torch.compiler.is_compiling() or torch.jit.is_tracing():
        return None
    if x.is_contiguous() or not x.is_contiguous(memory_format=torch.channels_last):
        return None
    if torch.is_grad_enabled() and any(t.requires_grad for t in (x, weight, bias)):
        return None
    return _group_norm()


@functools.cache
def _group_norm() -> GroupNorm | None:
    if torch.version.hip is not None or not _has_compiler():  # AMD's were never tried
        return None
    try:
        from kakusan.runtime.cuda.group_norm import group_norm
    except ImportError:  # no Triton
        return None
    return group_norm


def _has_compiler() -> bool:
    """Whether there is what Triton builds its launchers with, each time on a new machine."""
    return bool(os.environ.get("CC") or shutil.which("gcc") or shutil.which("clang"))
