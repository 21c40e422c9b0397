"""Memory for results, held and used again: fresh pages cost up to a fifth of a decoding's time.

The system hands out large buffers page by page, each cleared when it is first touched, and takes
them back as soon as they are freed. Inside `reused`, a buffer goes back to the pool that it came
from when its last tensor is gone, and serves the next result of about the same size. What torch
allocates on its own is held by the C library after `hold`.
"""

import ctypes
import functools
import math
import mmap
import threading
import weakref
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kakusan.runtime.native.library import loaded

SMALLEST = 1 << 20  # bytes; the system's allocator keeps smaller buffers itself

Block = npt.NDArray[np.uint8]


class _Pool:
    """The blocks that one owner's results have left.

    Only the thread that the pool belongs to takes blocks out. Any thread may give one back: a
    tensor ends wherever its last reference does.
    """

    def __init__(self) -> None:
        self.free: list[Block] = []
        self.closed = False

    def give_back(self, block: Block) -> None:
        if not self.closed:
            self.free.append(block)

    def close(self) -> None:
        """Give the free blocks to the system; those in use follow when their tensors are gone."""
        self.closed = True
        self.free.clear()

    def take(self, size: int, *, keep: bool) -> Block:
        """The smallest free block that holds `size` bytes without much waste, or a new one.

        Args:
            size: in bytes.
            keep: whether blocks of other sizes stay, for results to come.
        """
        sizes = [(len(self.free[i]), i) for i in range(len(self.free))]
        fitting = [found for found in sizes if size <= found[0] <= 2 * size]
        if fitting:
            return self.free.pop(min(fitting)[1])  # what was added since stands behind it
        if not keep:
            self.free.clear()
        return _fresh(size)


def _fresh(size: int) -> Block:
    """Memory from the system itself, to which all of it goes back; it begins a page."""
    memory = mmap.mmap(-1, size)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        with suppress(OSError):  # a kernel without them
            memory.madvise(mmap.MADV_HUGEPAGE)
    return np.frombuffer(memory, np.uint8)


class _Lease(np.ndarray[Any, Any]):
    """A block in use by a tensor and its views, all of which hold this object."""

    pool: _Pool
    block: Block

    def __del__(self) -> None:
        self.pool.give_back(self.block)


class _Arena(threading.local):
    """Each thread has its own."""

    def __init__(self) -> None:
        self.pool = _Pool()
        self.owner: weakref.ref[object] | None = None
        self.keep = False
        self.depth = 0


_ARENA = _Arena()


@contextmanager
def reused(owner: object, *, keep: bool) -> Generator[None, None, None]:
    """Within, `empty` takes memory that earlier results have left.

    Args:
        owner: whose results they are; what another owner had left is given back first.
        keep: whether this owner will come again soon, so that its buffers wait.
    """
    if torch.compiler.is_compiling():  # what is compiled has memory of its own
        yield
        return
    if _ARENA.depth == 0 and (_ARENA.owner is None or _ARENA.owner() is not owner):
        _ARENA.pool.close()
        if found := loaded():
            found[1].kakusan_forget_scratch()  # and so for what the kernels hold
        pool = _ARENA.pool = _Pool()
        _ARENA.owner = weakref.ref(owner, lambda _: pool.close())  # what is its goes with it
        _ARENA.keep = keep
    _ARENA.depth += 1
    try:
        yield
    finally:
        _ARENA.depth -= 1
        if _ARENA.depth == 0 and not keep:
            _ARENA.pool.close()
            _ARENA.owner = None


def empty(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """An uninitialised tensor on the CPU; its memory is used again once no tensor refers to it."""
    size = math.prod(shape) * dtype.itemsize
    if _ARENA.depth == 0 or size < SMALLEST:
        return torch.empty(shape, dtype=dtype, device="cpu")
    block = _ARENA.pool.take(size, keep=_ARENA.keep)
    lease = block[:size].view(_Lease)
    lease.pool, lease.block = _ARENA.pool, block
    return torch.from_numpy(lease).view(dtype).view(shape)


# Parameters of glibc's mallopt(3), and what they become
_HOLDING = {
    -4: 0,  # M_MMAP_MAX: large buffers come from the heap too, which is used again
    -1: 2**31 - 1,  # M_TRIM_THRESHOLD: and the heap is not given back in between
    -2: 64 << 20,  # M_TOP_PAD: it grows by so much at a time
}


@functools.cache
def hold() -> bool:
    """Have the C library keep freed memory for the next buffer, from now on in this process.

    For programs of our own, since it changes the whole process: no library call does it. Networks
    that torch computes take about four fifths of the time then.

    Returns:
        Whether it can: only GNU's can be told so while it runs.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return all(mallopt(parameter, value) for parameter, value in _HOLDING.items())
