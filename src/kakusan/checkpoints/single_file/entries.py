"""What a file says of its tensors, before any of their numbers are read."""

import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    import torch
    from torch import Tensor

# By the names that safetensors files have for them
DTYPES = {
    "BOOL": "bool",
    **{
        f"{letter}{bits}": f"{kind}{bits}"
        for letter, kind in (("I", "int"), ("U", "uint"))
        for bits in (8, 16, 32, 64)
    },
    **{f"F{bits}": f"float{bits}" for bits in (16, 32, 64)},
    "BF16": "bfloat16",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
}
FLOAT8 = frozenset({"F8_E4M3", "F8_E5M2"})


class Entry(NamedTuple):
    """A tensor of a file.

    Attributes:
        dtype: as safetensors files call it ("F16"), or as the file's own format does ("Q8_0").
    """

    dtype: str
    shape: tuple[int, ...]

    @property
    def numel(self) -> int:
        """How many numbers it has."""
        return math.prod(self.shape)


class TensorFile(Protocol):
    """A file of named tensors, opened: every form of file is read through this.

    Attributes:
        entries: its tensors by their names in the file.
        metadata: what else it says, as texts.
        global_step: of the training, where the file says so.
    """

    @property
    def path(self) -> Path: ...

    @property
    def entries(self) -> Mapping[str, Entry]: ...

    @property
    def metadata(self) -> Mapping[str, str]: ...

    @property
    def global_step(self) -> int | None: ...

    def tensors(
        self, names: Collection[str], dtype: "torch.dtype | None"
    ) -> "Iterator[tuple[str, Tensor]]":
        """Some of its tensors, in the file's order, floating point ones in `dtype`.

        Those that have the dtype already stay mapped to the file. None keeps what the file has.
        """
        ...

    def numbers(self, name: str) -> list[float]:
        """The numbers of a small tensor."""
        ...


def one_float(entries: Iterable[Entry]) -> str | None:
    """The name of the one floating point dtype that tensors have; None where they have several."""
    floats = {entry.dtype for entry in entries if DTYPES.get(entry.dtype, "").find("float") >= 0}
    return DTYPES[floats.pop()] if len(floats) == 1 else None
