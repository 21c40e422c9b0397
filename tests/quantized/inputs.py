"""Values and blocks that ours and ggml's own Python package are given alike."""

import numpy as np
import numpy.typing as npt

from kakusan.quantized.formats import Format


def values() -> npt.NDArray[np.float32]:
    """Rows of 64, of all magnitudes, and those where rounding is delicate."""
    random = np.random.default_rng(20240229)
    rows = random.standard_normal((512, 64)) * np.exp(1.5 * random.standard_normal((512, 1)))
    rows[0] = 0
    rows[1] = np.repeat([1.0, -1.0], 32)  # two of the largest magnitude
    rows[2] = 1e-8  # the scale is 0 as a float16
    rows[3] = np.arange(-64, 64, 2) / 2 + 0.5  # halves
    rows[4] = 3
    rows[5] = -0.0
    return rows.astype(np.float32)


def blocks(kind: Format) -> npt.NDArray[np.uint8]:
    """Every kind of block, with finite scales."""
    random = np.random.default_rng(kind.number)
    raw = random.integers(0, 256, (300, kind.bytes), dtype=np.uint8)
    for at in kind.scales:
        raw[:, at + 1] &= 0xBF
    return raw
