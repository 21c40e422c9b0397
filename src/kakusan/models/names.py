"""Where published tensor names and shapes differ from ours."""

from collections.abc import Mapping

from torch import Tensor


def as_linear(tensor: Tensor) -> Tensor:
    """The weight of a convolution of one number as that of a linear layer; others as they are.

    Most files have 1x1 ones, `(c, c, 1, 1)`; some of a VAE have `(c, c, 1)`.
    """
    is_one = tensor.ndim in (3, 4) and all(side == 1 for side in tensor.shape[2:])
    return tensor.flatten(1) if is_one else tensor


def as_convolution(tensor: Tensor) -> Tensor:
    """The weight of a linear layer as that of a 1x1 convolution; biases as they are."""
    return tensor[:, :, None, None] if tensor.ndim == 2 else tensor


def replace_prefix(tensors: Mapping[str, Tensor], old: str, new: str) -> dict[str, Tensor]:
    """The same tensors, with names that begin with `old` beginning with `new`."""
    return {
        new + name.removeprefix(old) if name.startswith(old) else name: tensor
        for name, tensor in tensors.items()
    }
