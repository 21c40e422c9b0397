"""Whether a tensor was changed in place."""

from torch import Tensor


def changes(tensor: Tensor) -> int:
    """How often it was changed so far; always 0 for tensors of `torch.inference_mode`.

    torch does not count there.
    """
    return 0 if tensor.is_inference() else tensor._version
