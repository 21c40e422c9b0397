"""GGUF files, read without trusting them: a header of named values, and tensors mapped in blocks.

The layout is ggml's (docs/gguf.md of ggml-org/ggml), versions 2 and 3.
"""

import math
import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor

from kakusan.checkpoints.files import describe
from kakusan.checkpoints.gguf_fields import Cursor, Field, Kind, Malformed, read_fields
from kakusan.checkpoints.regular import open_regular
from kakusan.checkpoints.single_file.entries import Entry
from kakusan.errors import CheckpointError, InputError, reason, shown
from kakusan.quantized.formats import BF16, BY_NUMBER, F16, UNREAD, Format
from kakusan.quantized.tensor import QuantizedTensor, plain_tensor

MAGIC = b"GGUF"
VERSIONS = (2, 3)
ALIGNMENT = 32  # where the file does not say
MAX_HEADER = 128 * 2**20  # a language model's vocabulary takes about 10 MB
MAX_FILE = 2**44
MAX_DIMENSIONS = 4
# The fewest bytes: a key's length, a type, a value; a name's length, a rank, a type, an offset
_LEAST_FIELD, _LEAST_TENSOR = 13, 24
# While converting, the file is mapped anew after so many bytes: see `kakusan.checkpoints.weights`
CONVERTED_PER_MAPPING = 32 * 2**20
ORIGINAL_SHAPE = "comfy.gguf.orig_shape."
ARCHITECTURE = "general.architecture"
# Plain numbers that kernels read beside activations of another dtype
KEPT = (F16, BF16)
# What `general.architecture` is in files of Stable Diffusion
ARCHITECTURES = ("sd1", "sdxl")
# and in those of other image models, which ComfyUI-GGUF writes too
_OTHER_PICTURES = (
    "aura",
    "cosmos",
    "flux",
    "hidream",
    "hyvid",
    "ltxv",
    "lumina2",
    "pig",
    "sd3",
    "wan",
)


@dataclass(frozen=True)
class StoredTensor:
    """Where one tensor is, and as what.

    Attributes:
        kind: its format.
        shape: as torch has it, the fastest dimension last.
        start: its first byte in the file.
    """

    kind: Format
    shape: tuple[int, ...]
    start: int

    @property
    def bytes(self) -> int:
        """How many it has."""
        return self.kind.size(math.prod(self.shape))


@dataclass(frozen=True)
class GgufFile:
    """What a file's header says; a `TensorFile` if it is one of Stable Diffusion.

    Attributes:
        fields: the named values.
        stored: the tensors as they are in the file.
        entries: the same in the shapes that they stand for.
    """

    path: Path
    fields: Mapping[str, Field]
    stored: Mapping[str, StoredTensor]
    entries: Mapping[str, Entry] = field(default_factory=dict[str, Entry])
    global_step: int | None = None

    @property
    def metadata(self) -> Mapping[str, str]:
        """The named values that are texts."""
        return {key: text for key in self.fields if (text := self.text(key)) is not None}

    def text(self, key: str) -> str | None:
        """A value that is a text; None where there is no such."""
        found = self.fields.get(key)
        return str(found.value) if found and found.kind == Kind.STRING else None

    def tensors(
        self, names: Collection[str], dtype: torch.dtype | None
    ) -> Iterator[tuple[str, Tensor]]:
        """See `TensorFile`; what is in blocks, or in 16 bits and a matrix, stays as it is."""
        kept = mapped(self) if self.stored else torch.empty(0, dtype=torch.uint8, device="cpu")
        passing, converted = kept, CONVERTED_PER_MAPPING
        wanted = set(names)
        for name, each in self.stored.items():
            if name not in wanted:
                continue
            entry = self.entries[name]
            if not _is_converted(each, dtype, len(entry.shape)):
                tensor = view(kept, each, dtype)
            else:
                if converted >= CONVERTED_PER_MAPPING:
                    passing, converted = mapped(self), 0
                tensor = view(passing, each, None).to(dtype)
                converted += each.bytes
            yield name, tensor.reshape(entry.shape)

    def numbers(self, name: str) -> list[float]:
        """The numbers of a small tensor."""
        return [
            number
            for _, tensor in self.tensors([name], None)
            for number in plain_tensor(tensor).double().flatten().tolist()
        ]


def _is_converted(stored: StoredTensor, dtype: torch.dtype | None, rank: int) -> bool:
    own = stored.kind.dtype
    if dtype is None or own is None or own == dtype or not own.is_floating_point:
        return False
    return rank < 2 or stored.kind not in KEPT


def read_header(path: Path) -> GgufFile:
    """What a file says it holds, all of which lies within it.

    Raises:
        CheckpointError: It is no GGUF file, is of another version or byte order, is cut short, or
            contradicts itself.
    """
    try:
        with open_regular(path, most_bytes=MAX_FILE) as file:
            size = os.fstat(file.fileno()).st_size
            if size < 24:
                raise Malformed("it is too short")
            return _parsed(path, Cursor(file, min(size, MAX_HEADER)), size)
    except UnreadError as error:
        raise CheckpointError(f"{path} {error}.") from None
    except Malformed as error:
        raise CheckpointError(f"{path} is not a whole GGUF file: {error}.") from None
    except InputError as error:
        raise CheckpointError(f"{error}.") from None
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read: {reason(error)}.") from None


def _parsed(path: Path, cursor: Cursor, size: int) -> GgufFile:
    _check_kind(cursor.take(4), cursor.number("<I"))
    tensors, fields = cursor.number("<Q"), cursor.count("values", _LEAST_FIELD)
    if tensors * _LEAST_TENSOR > cursor.left:
        raise Malformed(f"it claims {shown(tensors)} tensors, more than its bytes can hold")
    found = read_fields(cursor, fields)
    alignment = _alignment(found)
    infos = [_read_info(cursor) for _ in range(tensors)]
    start = -(-cursor.at // alignment) * alignment
    stored: dict[str, StoredTensor] = {}
    for name, kind, shape, offset in infos:
        if name in stored:
            raise Malformed(f"the tensor {shown(name)} is there twice")
        if offset % alignment:
            raise Malformed(f"the tensor {shown(name)} does not begin at a multiple of {alignment}")
        stored[name] = StoredTensor(kind, shape, start + offset)
    _check_places(stored, size)
    return GgufFile(path, found, stored)


class UnreadError(Exception):
    """A file that may be whole is of a kind that is not read."""


def _check_kind(magic: bytes, version: int) -> None:
    if magic != MAGIC:
        raise Malformed(f"it begins with {shown(magic)}, not with {MAGIC!r}")
    if version not in VERSIONS:
        turned = int.from_bytes(version.to_bytes(4, "little"), "big")
        if turned in VERSIONS:
            raise UnreadError(
                "is a GGUF file of a big-endian machine; write it anew on a little-endian one"
            )
        raise UnreadError(f"is a GGUF file of version {version}; 2 and 3 are read")


def _alignment(fields: Mapping[str, Field]) -> int:
    found = fields.get("general.alignment", Field(Kind.UINT32, ALIGNMENT))
    value = found.value
    if found.kind != Kind.UINT32 or not isinstance(value, int) or value.bit_count() != 1:
        raise Malformed(f"general.alignment is {shown(value)}; it must be a power of 2")
    return value


def _read_info(cursor: Cursor) -> tuple[str, Format, tuple[int, ...], int]:
    name = cursor.text("a tensor's name")
    rank = cursor.number("<I")
    if rank > MAX_DIMENSIONS:
        raise Malformed(f"the tensor {shown(name)} has {rank} dimensions; at most 4 are read")
    shape = tuple(reversed([cursor.number("<Q") for _ in range(rank)]))
    number, offset = cursor.number("<I"), cursor.number("<Q")
    kind = BY_NUMBER.get(number)
    if kind is None:
        called = UNREAD.get(number, f"type {number}, which does not exist")
        raise Malformed(
            f"the tensor {shown(name)} is stored as {called}; "
            f"read are {', '.join(each.name for each in BY_NUMBER.values())}"
        )
    if math.prod(max(side, 1) for side in shape) > MAX_FILE:
        raise Malformed(f"the tensor {shown(name)} has the shape {shown(shape)}")
    if math.prod(shape[-1:]) % kind.values:
        raise Malformed(
            f"the tensor {shown(name)} is stored as {kind.name}, in blocks of {kind.values}, "
            f"which do not fill its rows of {math.prod(shape[-1:])}"
        )
    return name, kind, shape, offset


def _check_places(tensors: Mapping[str, StoredTensor], size: int) -> None:
    end, before = 0, ""
    for name, tensor in sorted(tensors.items(), key=lambda item: (item[1].start, item[1].bytes)):
        if tensor.start < end:
            raise Malformed(f"the tensors {shown(before)} and {shown(name)} overlap")
        end, before = tensor.start + tensor.bytes, name
        if end > size:
            raise Malformed(f"the tensor {shown(name)} ends {end - size} bytes beyond its end")


def check_architecture(file: GgufFile) -> str | None:
    """The `general.architecture` of a file that may be Stable Diffusion's; None if it says none.

    stable-diffusion.cpp writes none; ComfyUI-GGUF writes `sd1` or `sdxl`.

    Raises:
        CheckpointError: It is another model's.
    """
    found = file.text(ARCHITECTURE)
    if found is None or found in ARCHITECTURES:
        return found
    if found in _OTHER_PICTURES:
        what = "another kind of image model"
    elif found.startswith(("t5", "clip")):
        what = "a text encoder in llama.cpp's names"
    else:
        what = "a language model" if "tokenizer.ggml.tokens" in file.fields else "another model"
    raise CheckpointError(
        f"{file.path} is {what} ({ARCHITECTURE} is {describe(found)}); "
        "GGUF files of Stable Diffusion say sd1, sdxl or nothing."
    )


def read_gguf(path: Path, dtype: torch.dtype | None) -> Iterator[tuple[str, Tensor]]:
    """All named tensors of a file of Stable Diffusion, as `open_gguf` gives them.

    Raises:
        CheckpointError: The file is broken, or of another model.
    """
    file = open_gguf(path)
    yield from file.tensors(file.stored, dtype)


def open_gguf(path: Path) -> GgufFile:
    """A file of Stable Diffusion, whose tensors stay mapped to it where they stay as they are.

    They become a dtype that is asked for, one after another; but what is in blocks stays in them,
    and matrices in 16 bits stay as they are, too: as a `QuantizedTensor` of that dtype. Where none
    is asked for, blocks become one of float16.

    Raises:
        CheckpointError: It is broken, or of another model.
    """
    file = read_header(path)
    check_architecture(file)
    entries = {
        name: Entry(each.kind.name, original_shape(file, name) or each.shape)
        for name, each in file.stored.items()
    }
    return replace(file, entries=entries)


def original_shape(file: GgufFile, name: str) -> tuple[int, ...] | None:
    """The shape that ComfyUI-GGUF notes for a tensor that it stored as rows of 256.

    Raises:
        CheckpointError: It is not a shape of as many values.
    """
    noted = file.fields.get(f"{ORIGINAL_SHAPE}{name}")
    if noted is None:
        return None
    sides = noted.value if isinstance(noted.value, tuple) else ()
    shape = tuple(side for side in sides if type(side) is int and side > 0)
    same = len(shape) == len(sides) and math.prod(shape) == math.prod(file.stored[name].shape)
    if not same or len(shape) > 2 * MAX_DIMENSIONS or not shape:
        raise CheckpointError(
            f"{file.path}: {shown(ORIGINAL_SHAPE + name)} is {shown(noted.value)}, "
            f"which does not hold what is stored as {shown(file.stored[name].shape)}."
        )
    return shape


def mapped(file: GgufFile) -> Tensor:
    """All bytes of a file: read where they are used, and never written back.

    Raises:
        CheckpointError: The file has changed or cannot be mapped.
    """
    path = file.path
    try:
        # private: a change to a tensor is not one of the file
        raw = torch.from_file(str(path), shared=False, size=path.stat().st_size, dtype=torch.uint8)
    except (OSError, RuntimeError) as error:
        raise CheckpointError(f"{path} cannot be read: {reason(error)}.") from None
    if len(raw) < max(tensor.start + tensor.bytes for tensor in file.stored.values()):
        raise CheckpointError(f"{path} has become shorter while it was read.")
    return raw


def view(raw: Tensor, stored: StoredTensor, dtype: torch.dtype | None) -> Tensor:
    """One tensor as the file has it.

    Args:
        raw: what `mapped` gave.
        dtype: of a tensor that is in blocks, or in one of `KEPT`; None is float16 for the former,
            and what they are for the latter.
    """
    kind = stored.kind
    if stored.bytes == 0:
        return torch.empty(stored.shape, dtype=kind.dtype or torch.float16, device=raw.device)
    part = raw[stored.start : stored.start + stored.bytes]
    if kind.dtype is None or (dtype is not None and dtype != kind.dtype and kind in KEPT):
        return QuantizedTensor(part, kind, stored.shape, dtype or torch.float16, mapped=True)
    if stored.start % kind.bytes:
        part = part.clone()
    return part.view(kind.dtype).view(stored.shape)
