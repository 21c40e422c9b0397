"""Normal noise as CUDA draws it, computed on the CPU.

A counter-based generator (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011,
Philox4x32-10), and Box and Muller's transformation of two of its four words. torch draws so on a
CUDA device, up to as many numbers at once as the device has threads; AUTOMATIC1111's "NV" and
stable-diffusion.cpp's "cuda" draw so always.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

ROUNDS = 10
_MULTIPLIERS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_INCREMENTS = 0x9E3779B9, 0xBB67AE85
_LOW, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)
# As the tools have them, in float32
_UNIT = np.float64(np.float32(2.0**-32))
_CIRCLE = np.float64(np.float32(2.3283064e-10 * 6.2831855))

Words = npt.NDArray[np.uint64]


def philox_normal(shape: Sequence[int], seed: int, offset: int) -> npt.NDArray[np.float32]:
    """Standard normal numbers of `shape`, in float32.

    Args:
        seed: from 0 to 2**64 - 1.
        offset: how many tensors were drawn from this seed before.
    """
    count = int(np.prod(shape, dtype=np.int64))
    first, second = _words(count, seed, offset)
    radius = np.sqrt(-2.0 * np.log(first * _UNIT + _UNIT / 2))
    normal = radius * np.sin(second * _CIRCLE + _CIRCLE / 2)
    return normal.astype(np.float32).reshape(tuple(shape))


def _words(count: int, seed: int, offset: int) -> tuple[Words, Words]:
    """The first two words for the counters (offset, 0, i, 0), i from 0 to `count`; each of 32 bit.

    All of a round's multiplications are of 64 bit, whose halves are taken apart.
    """
    a = np.full(1, offset & 0xFFFFFFFF, np.uint64)
    b, d = np.zeros(1, np.uint64), np.zeros(1, np.uint64)
    c = np.arange(count, dtype=np.uint64)
    key = seed & 0xFFFFFFFF, seed >> 32 & 0xFFFFFFFF
    for _ in range(ROUNDS):
        left, right = a * _MULTIPLIERS[0], c * _MULTIPLIERS[1]
        a, b = right >> _HALF ^ b ^ np.uint64(key[0]), right & _LOW
        c, d = left >> _HALF ^ d ^ np.uint64(key[1]), left & _LOW
        key = (key[0] + _INCREMENTS[0] & 0xFFFFFFFF, key[1] + _INCREMENTS[1] & 0xFFFFFFFF)
    return a, b
