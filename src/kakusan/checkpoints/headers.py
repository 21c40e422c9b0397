"""What a safetensors file says of itself before its tensors: names, dtypes, shapes, metadata."""

import json
import math
import struct
from pathlib import Path
from typing import NamedTuple, cast

from kakusan.checkpoints.files import JSON
from kakusan.checkpoints.regular import open_regular
from kakusan.errors import CheckpointError, InputError, reason, shown_path

# As the format's own reader allows; a model of some thousand tensors takes a few hundred kB
LONGEST = 100_000_000
LARGEST_FILE = 1 << 50
# Bits of a value, by the format's names
BITS = {
    name: bits
    for bits, names in {
        64: ("F64", "I64", "U64", "C64"),
        32: ("F32", "I32", "U32"),
        16: ("F16", "BF16", "I16", "U16"),
        8: ("F8_E4M3", "F8_E5M2", "F8_E8M0", "I8", "U8", "BOOL"),
        4: ("F4",),
    }.items()
    for name in names
}
FLOATS = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
}


class Stored(NamedTuple):
    """A tensor as a file has it; `dtype` is the format's name for it, such as F16."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def values(self) -> int:
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        return self.values * BITS.get(self.dtype, 8) // 8


class Header(NamedTuple):
    """What stands before the tensors.

    Attributes:
        tensors: by name.
        metadata: texts by name, whoever wrote them.
    """

    tensors: dict[str, Stored]
    metadata: dict[str, str]


def read_header(path: Path) -> Header:
    """The header of a safetensors file; its tensors are not read.

    Raises:
        CheckpointError: It is no such file, or not a whole one.
    """
    try:
        with open_regular(path, most_bytes=LARGEST_FILE) as file:
            start = file.read(8)
            length = struct.unpack("<Q", start)[0] if len(start) == 8 else LONGEST + 1
            if length > LONGEST:
                raise _broken(path, "it does not begin as one")
            text = file.read(length)
            size = file.seek(0, 2)
    except CheckpointError:
        raise
    except InputError as error:
        raise CheckpointError(f"{error}.") from None
    except OSError as error:
        raise _broken(path, reason(error)) from None
    try:
        entries = cast(JSON, json.loads(text))
    except (ValueError, RecursionError):
        raise _broken(path, "it does not begin as one") from None
    if not isinstance(entries, dict):
        raise _broken(path, "its header is no JSON object")
    metadata = entries.pop("__metadata__", {})
    tensors: dict[str, Stored] = {}
    end = 0
    for name, entry in entries.items():
        tensors[name], last = _stored(path, entry)
        end = max(end, last)
    if size < 8 + length + end:
        raise _broken(path, f"{8 + length + end - size} bytes are missing at its end")
    told = metadata if isinstance(metadata, dict) else {}
    return Header(tensors, {key: text for key, text in told.items() if isinstance(text, str)})


def _stored(path: Path, entry: JSON) -> tuple[Stored, int]:
    match entry:
        case {"dtype": str(dtype), "shape": list(shape), "data_offsets": [int(), int(end)]}:
            sizes = [size for size in shape if isinstance(size, int) and size >= 0]
            if len(sizes) == len(shape):
                return Stored(dtype, tuple(sizes)), end
        case _:
            pass
    raise _broken(path, "its header is not of that format")


def _broken(path: Path, why: str) -> CheckpointError:
    return CheckpointError(f"{shown_path(path)} is not a whole safetensors file: {why}.")
