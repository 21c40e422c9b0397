"""Writing GGUF files: named values, and tensors in the formats that are asked for."""

import math
import struct
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from kakusan.checkpoints.files import atomic
from kakusan.checkpoints.gguf import ALIGNMENT, MAGIC, MAX_DIMENSIONS, VERSIONS
from kakusan.checkpoints.gguf_fields import Field, field_bytes, text_bytes
from kakusan.checkpoints.single_file.writing import Written
from kakusan.errors import CheckpointError, RequestError, shown
from kakusan.quantized.formats import OF_DTYPE, Format
from kakusan.quantized.packing import PACKING, pack
from kakusan.quantized.tensor import QuantizedTensor


def own_format(tensor: Tensor | Written) -> Format:
    """The format that holds a tensor as it is.

    Raises:
        RequestError: There is none for its dtype.
    """
    kind = tensor.kind if isinstance(tensor, QuantizedTensor) else OF_DTYPE.get(tensor.dtype)
    if kind is None:
        raise RequestError(f"GGUF has no format for {tensor.dtype}")
    return kind


def write_gguf(
    path: Path,
    tensors: Mapping[str, Tensor | Written],
    formats: Mapping[str, Format],
    fields: Mapping[str, Field],
    progress: Callable[[int, int], object] | None = None,
) -> None:
    """Write a file of version 3, tensor after tensor; it appears whole or not at all.

    Args:
        tensors: their rows are whole blocks of the format that they are to have.
        formats: by the tensors' names; what has none stays as it is.
        fields: the named values, in their order.
        progress: called with the bytes that are written and those of all.

    Raises:
        CheckpointError: A tensor has values that its format cannot hold.
        OutputError: The file cannot be written, or the disk is full.
        RequestError: A tensor does not fit its format.
    """
    kinds = {name: formats.get(name, own_format(tensor)) for name, tensor in tensors.items()}
    with atomic(path) as temporary, temporary.open("wb") as file:
        header, end = _header(tensors, kinds, fields)
        file.write(header + bytes(-len(header) % ALIGNMENT))
        done = 0
        for name, tensor in tensors.items():
            try:
                made = tensor.make() if isinstance(tensor, Written) else tensor
                data = _stored(made, kinds[name])
            except CheckpointError as error:
                raise CheckpointError(
                    f"{shown(name)} cannot be {kinds[name].name}: {error}"
                ) from None
            data.numpy().tofile(file)
            file.write(bytes(-len(data) % ALIGNMENT))
            done += len(data) + -len(data) % ALIGNMENT
            if progress is not None:
                progress(done, end)


def _header(
    tensors: Mapping[str, Tensor | Written],
    kinds: Mapping[str, Format],
    fields: Mapping[str, Field],
) -> tuple[bytes, int]:
    """The header, and the bytes of all tensors."""
    parts = [MAGIC, struct.pack("<IQQ", VERSIONS[-1], len(tensors), len(fields))]
    parts += [text_bytes(name) + field_bytes(field) for name, field in fields.items()]
    offset = 0
    for name, tensor in tensors.items():
        kind, shape = kinds[name], tuple(tensor.shape)
        if len(shape) > MAX_DIMENSIONS or math.prod(shape[-1:]) % kind.values:
            raise RequestError(f"{shown(name)} of shape {shown(shape)} cannot be {kind.name}")
        sides = struct.pack(f"<I{len(shape)}Q", len(shape), *reversed(shape))
        parts.append(text_bytes(name) + sides + struct.pack("<IQ", kind.number, offset))
        size = kind.size(math.prod(shape))
        offset += size + -size % ALIGNMENT
    return b"".join(parts), offset


def _stored(tensor: Tensor, kind: Format) -> Tensor:
    """The bytes of a tensor in a format, uint8."""
    if isinstance(tensor, QuantizedTensor):
        if tensor.kind == kind:
            return tensor.blocks
        tensor = tensor.to(torch.float32).dequantize()
    if kind.dtype is not None:
        return tensor.detach().to(kind.dtype).contiguous().flatten().view(torch.uint8)
    if kind not in PACKING:
        names = ", ".join(each.name for each in PACKING)
        raise RequestError(f"{kind.name} is read but not written; written are {names}")
    return pack(tensor.detach(), kind)
