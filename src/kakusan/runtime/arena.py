"""Memory for results, held and used again: fresh pages cost up to a fifth of a decoding's time.

The system hands out large buffers page by page, each cleared when it is first touched, and takes
them back as soon as they are freed. Inside `reused`, buffers that no tensor refers to any more
serve the next result of about the same size instead. What torch allocates on its own is held by
the C library after `hold`.
"""

import ctypes
import functools
import sys
import threading
import weakref
from collections.abc import Generator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kakusan.runtime.native.library import loaded

SMALLEST = 1 << 20  # bytes; the system's allocator keeps smaller buffers itself
ALIGNMENT = 64  # a cache line
Blocks = list[npt.NDArray[np.uint8]]


def _references(blocks: Blocks, index: int) -> int:
    return sys.getrefcount(blocks[index])


_FREE = _references([np.empty(1, np.uint8)], 0)  # what Python counts where nobody else refers


class _Arena(threading.local):
    """Each thread has its own, so nothing is ever locked."""

    def __init__(self) -> None:
        self.blocks: Blocks = []
        self.owner: weakref.ref[object] | None = None
        self.keep = False
        self.depth = 0

    def find(self, size: int) -> npt.NDArray[np.uint8]:
        """The smallest free block that holds `size` bytes without much waste, or a new one."""
        fitting = [
            (self.blocks[index].size, index)
            for index in range(len(self.blocks))
            if size <= self.blocks[index].size <= 2 * size
            and _references(self.blocks, index) == _FREE
        ]
        if not fitting:
            if not self.keep:  # sizes that are past will not come again
                self.blocks[:] = [
                    self.blocks[index]
                    for index in range(len(self.blocks))
                    if _references(self.blocks, index) != _FREE
                ]
            self.blocks.append(np.empty(size, np.uint8))
        return self.blocks[min(fitting)[1] if fitting else -1]


_ARENA = _Arena()


@contextmanager
def reused(owner: object, *, keep: bool) -> Generator[None, None, None]:
    """Within, `empty` takes memory that earlier results have left.

    Args:
        owner: whose results they are; what another owner had left is given back first.
        keep: whether this owner will come again soon, so that its buffers wait.
    """
    if _ARENA.depth == 0 and (_ARENA.owner is None or _ARENA.owner() is not owner):
        blocks = _ARENA.blocks
        blocks.clear()
        if found := loaded():
            found[1].kakusan_forget_scratch()  # and so for what the kernels kept
        _ARENA.owner = weakref.ref(owner, lambda _: blocks.clear())  # what is its goes with it
        _ARENA.keep = keep
    _ARENA.depth += 1
    try:
        yield
    finally:
        _ARENA.depth -= 1
        if _ARENA.depth == 0 and not keep:
            _ARENA.blocks.clear()
            _ARENA.owner = None


def empty(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """An uninitialised tensor on the CPU; its memory is used again once no tensor refers to it."""
    count = int(np.prod(shape))
    size = count * dtype.itemsize
    if _ARENA.depth == 0 or size < SMALLEST:
        return torch.empty(shape, dtype=dtype)
    block = _ARENA.find(size + ALIGNMENT)
    start = -block.ctypes.data % ALIGNMENT
    return torch.from_numpy(block[start : start + size]).view(dtype).view(shape)


# Parameters of glibc's mallopt(3), and what they become
_HOLDING = {
    -4: 0,  # M_MMAP_MAX: large buffers come from the heap too, which is used again
    -1: 2**31 - 1,  # M_TRIM_THRESHOLD: and the heap is not given back in between
    -2: 64 << 20,  # M_TOP_PAD: it grows by so much at a time
}


@functools.cache
def hold() -> bool:
    """Have the C library keep freed memory for the next buffer, from now on in this process.

    For networks that torch computes: their calls take about four fifths of the time then.

    Returns:
        Whether it can: only GNU's can be told so while it runs.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return all(mallopt(parameter, value) for parameter, value in _HOLDING.items())
