"""Opening a file of tensors, whatever form it has; it is told by how it begins."""

import array
import struct
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from kakusan.checkpoints.single_file.entries import Entry, TensorFile
from kakusan.checkpoints.single_file.header import Header, check_kind, first_bytes, read_header
from kakusan.checkpoints.single_file.quantised import check_formats, scale_of
from kakusan.errors import CheckpointError, shown_path

if TYPE_CHECKING:
    import torch
    from torch import Tensor

SUFFIXES = frozenset({".safetensors", ".ckpt", ".pt", ".pth", ".bin", ".sft", ".gguf"})


class SafetensorsFile:
    """A safetensors file; torch is imported when numbers are asked for."""

    global_step: int | None = None

    def __init__(self, path: Path) -> None:
        self.path = path
        self._header: Header = read_header(path)
        check_formats(self.entries, self.metadata, shown_path(path))

    @property
    def entries(self) -> Mapping[str, Entry]:
        return self._header.entries

    @property
    def metadata(self) -> Mapping[str, str]:
        return self._header.metadata

    def tensors(
        self, names: Collection[str], dtype: "torch.dtype | None"
    ) -> "Iterator[tuple[str, Tensor]]":
        """See `TensorFile`."""
        from kakusan.checkpoints.weights import read_safetensors

        wanted = set(names)
        where = shown_path(self.path)
        scales = {name: scale for name in wanted if (scale := scale_of(name, self.entries, where))}
        factors = dict(read_safetensors(self.path, None, set(scales.values()))) if scales else {}
        by_name = {name: factors[scale] for name, scale in scales.items()}
        yield from read_safetensors(self.path, dtype, wanted, by_name)

    def numbers(self, name: str) -> list[float]:
        """The numbers of a small tensor."""
        entry = self.entries[name]
        first, last = self._header.spans[name]
        with self.path.open("rb") as file:
            file.seek(first)
            data = file.read(last - first)
        if entry.dtype == "F32" and sys.byteorder == "little":
            return array.array("f", data).tolist()
        if entry.dtype == "F16":
            return list(struct.unpack(f"<{entry.numel}e", data))
        if entry.dtype == "BF16":  # the upper half of a float32
            halves = (b"\0\0" + data[n : n + 2] for n in range(0, len(data), 2))
            return [struct.unpack("<f", each)[0] for each in halves]
        read = [tensor for _, tensor in self.tensors([name], None)]
        return [number for tensor in read for number in tensor.double().flatten().tolist()]


class PickledFile:
    """A `.ckpt`, `.pt` or `.bin`: read by torch's weights-only reader, which runs no code."""

    def __init__(self, path: Path) -> None:
        from kakusan.checkpoints.pickled import dtype_name, read_training_file

        self.path = path
        self.metadata: Mapping[str, str] = {}
        self._held, self.global_step = read_training_file(path)
        self.entries: Mapping[str, Entry] = {
            name: Entry(dtype_name(tensor), tuple(tensor.shape))
            for name, tensor in self._held.items()
        }
        check_formats(self.entries, self.metadata, shown_path(path))

    def tensors(
        self, names: Collection[str], dtype: "torch.dtype | None"
    ) -> "Iterator[tuple[str, Tensor]]":
        """See `TensorFile`."""
        from kakusan.checkpoints.weights import converted_tensor

        wanted = set(names)
        for name, tensor in self._held.items():
            if name in wanted:
                scale = scale_of(name, self.entries, shown_path(self.path))
                factor = None if scale is None else self._held[scale]
                made = converted_tensor(tensor, dtype, factor)
                yield name, tensor if made is None else made

    def numbers(self, name: str) -> list[float]:
        """The numbers of a small tensor."""
        return self._held[name].double().flatten().tolist()


def _open_gguf(path: Path) -> TensorFile:
    from kakusan.checkpoints.gguf import open_gguf

    return open_gguf(path)


# How a file begins -> what opens it
FORMS: dict[bytes, Callable[[Path], TensorFile]] = {
    b"PK\x03\x04": PickledFile,
    b"\x80": PickledFile,
    b"GGUF": _open_gguf,
}


def open_tensor_file(path: Path) -> TensorFile:
    """Open a file of tensors; of a safetensors file only the header is read.

    Raises:
        CheckpointError: It is none, is broken, or holds code.
    """
    start = first_bytes(path)
    check_kind(path, start)
    if path.suffix == ".safetensors":
        return SafetensorsFile(path)  # which says what else it is
    for magic, form in FORMS.items():
        if start.startswith(magic):
            return form(path)
    if start[8:9] == b"{":
        return SafetensorsFile(path)
    raise CheckpointError(f"{shown_path(path)} is not a file of weights that kakusan reads.")
