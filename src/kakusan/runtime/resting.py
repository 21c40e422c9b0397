"""Memory of weights that wait for their network's turn, given back to the system meanwhile.

Blocks that are mapped to a file are never written to, so their pages hold what the file does. The
system keeps them as long as it has room, and then they come back without being read anew.
"""

import ctypes
import functools
import mmap
from collections.abc import Callable

from torch import nn

from kakusan.quantized.tensor import QuantizedTensor


def rest(network: object) -> None:
    """Let go of the mapped blocks of a network that others compute before it does again."""
    give_back = _giving_back()
    if give_back is None or not isinstance(network, nn.Module):
        return
    for parameter in network.parameters():
        if isinstance(parameter, QuantizedTensor) and parameter.mapped:
            start, end = parameter.blocks.data_ptr(), parameter.blocks.data_ptr() + parameter.nbytes
            # whole pages alone: what shares one with it may be a weight that was changed
            start, end = -(-start // mmap.PAGESIZE) * mmap.PAGESIZE, end & -mmap.PAGESIZE
            if start < end:
                give_back(start, end - start, mmap.MADV_DONTNEED)


@functools.cache
def _giving_back() -> Callable[[int, int, int], int] | None:
    """The C library's madvise(2); None where there is none with Linux's meaning of DONTNEED."""
    if not hasattr(mmap, "MADV_DONTNEED") or not hasattr(mmap, "MADV_HUGEPAGE"):
        return None
    try:
        madvise = ctypes.CDLL(None).madvise
    except (AttributeError, OSError, TypeError):
        return None
    madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    return madvise
