"""Checks of tensors that a caller hands in."""

from collections.abc import Sequence

import torch
from torch import Tensor

from kakusan.errors import ArgumentError

# Of latents and embeddings that are handed in
DTYPES = (torch.float32, torch.float16, torch.bfloat16, torch.float64)


def check_tensor(name: str, value: object) -> None:
    """Raise RequestError unless `value` is None or a dense tensor of finite values."""
    if value is None:
        return
    if not isinstance(value, Tensor):
        raise ArgumentError(f"{{{name}}} must be a tensor, not a {type(value).__name__}")
    if value.dtype not in DTYPES:
        dtype = str(value.dtype).removeprefix("torch.")
        known = ", ".join(str(each).removeprefix("torch.") for each in DTYPES)
        raise ArgumentError(f"{{{name}}} must be of {known}, not {dtype}")
    if value.is_meta or value.layout != torch.strided:
        raise ArgumentError(f"{{{name}}} must be a dense tensor that holds values")
    if not torch.isfinite(value).all():
        raise ArgumentError(f"{{{name}}} holds NaN or infinity")


def check_shape(name: str, tensor: Tensor, expected: Sequence[int]) -> None:
    """Raise RequestError unless `tensor` has the shape `expected`."""
    if tuple(tensor.shape) != tuple(expected):
        raise ArgumentError(
            f"{{{name}}} has the shape {{0}}; expected {{1}}", tuple(tensor.shape), tuple(expected)
        )
