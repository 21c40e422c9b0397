"""Whether an error is for want of memory, on whatever device."""

import torch


def is_out_of_memory(error: BaseException) -> bool:
    """Whether less at a time may do."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    text = str(error)
    return isinstance(error, RuntimeError) and ("not enough memory" in text or "alloc" in text)
