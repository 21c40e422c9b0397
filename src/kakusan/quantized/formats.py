"""The formats that ggml stores values in: plain numbers, or blocks that share a scale."""

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Format:
    """How one tensor is stored.

    Attributes:
        name: as ggml writes it.
        number: of ggml's enumeration, which files hold.
        values: how many consecutive values a block has; 1 for plain numbers.
        bytes: of a block.
        dtype: of plain numbers; None for blocks.
        scales: the bytes of a block at which its float16 numbers begin.
    """

    name: str
    number: int
    values: int
    bytes: int
    dtype: torch.dtype | None = None
    scales: tuple[int, ...] = ()

    def size(self, count: int) -> int:
        """The bytes of `count` values, which are whole blocks."""
        return count // self.values * self.bytes


def _plain(name: str, number: int, dtype: torch.dtype) -> Format:
    return Format(name, number, 1, dtype.itemsize, dtype)


F32 = _plain("F32", 0, torch.float32)
F16 = _plain("F16", 1, torch.float16)
BF16 = _plain("BF16", 30, torch.bfloat16)
PLAIN = (
    F32,
    F16,
    BF16,
    _plain("F64", 28, torch.float64),
    _plain("I8", 24, torch.int8),
    _plain("I16", 25, torch.int16),
    _plain("I32", 26, torch.int32),
    _plain("I64", 27, torch.int64),
)
Q4_0 = Format("Q4_0", 2, 32, 18, scales=(0,))
Q4_1 = Format("Q4_1", 3, 32, 20, scales=(0, 2))
Q5_0 = Format("Q5_0", 6, 32, 22, scales=(0,))
Q5_1 = Format("Q5_1", 7, 32, 24, scales=(0, 2))
Q8_0 = Format("Q8_0", 8, 32, 34, scales=(0,))
Q2_K = Format("Q2_K", 10, 256, 84, scales=(80, 82))
Q3_K = Format("Q3_K", 11, 256, 110, scales=(108,))
Q4_K = Format("Q4_K", 12, 256, 144, scales=(0, 2))
Q5_K = Format("Q5_K", 13, 256, 176, scales=(0, 2))
Q6_K = Format("Q6_K", 14, 256, 210, scales=(208,))
BLOCKS = (Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K)

BY_NUMBER = {each.number: each for each in (*PLAIN, *BLOCKS)}
BY_NAME = {each.name.lower(): each for each in (*PLAIN, *BLOCKS)}
OF_DTYPE = {each.dtype: each for each in PLAIN if each.dtype is not None}
# What ggml has beside these
UNREAD = {
    9: "Q8_1",
    15: "Q8_K",
    16: "IQ2_XXS",
    17: "IQ2_XS",
    18: "IQ3_XXS",
    19: "IQ1_S",
    20: "IQ4_NL",
    21: "IQ3_S",
    22: "IQ2_S",
    23: "IQ4_XS",
    29: "IQ1_M",
    34: "TQ1_0",
    35: "TQ2_0",
    39: "MXFP4",
    40: "NVFP4",
    41: "Q1_0",
}
