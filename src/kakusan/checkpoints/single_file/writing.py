"""Writing a single file, tensor by tensor, with what a folder says besides in its metadata."""

import json
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from kakusan.checkpoints.files import atomic
from kakusan.checkpoints.names import text
from kakusan.checkpoints.names.unet import UNetNames
from kakusan.checkpoints.names.vae import VAENames
from kakusan.checkpoints.single_file.edm import is_flag
from kakusan.checkpoints.single_file.entries import DTYPES
from kakusan.errors import CheckpointError, shown

_BY_TORCH = {ours: theirs for theirs, ours in DTYPES.items()}
# How each part is named in the original files of each family: prefix and form
_NETWORKS = {"unet": ("model.diffusion_model.", "ldm"), "vae": ("first_stage_model.", "ldm")}
_HF = "cond_stage_model.transformer.text_model."
FORMS: dict[str, dict[str, tuple[str, str]]] = {
    "v1": {**_NETWORKS, "text_encoder": (_HF, "hf")},
    "v2": {**_NETWORKS, "text_encoder": ("cond_stage_model.model.", "openclip")},
    "sdxl": {
        **_NETWORKS,
        "text_encoder": ("conditioner.embedders.0.transformer.text_model.", "hf"),
        "text_encoder_2": ("conditioner.embedders.1.model.", "openclip"),
    },
    "sdxl-refiner": {
        **_NETWORKS,
        "text_encoder_2": ("conditioner.embedders.0.model.", "openclip"),
    },
}


@dataclass(frozen=True)
class Written:
    """A tensor of the file that is written.

    Attributes:
        make: gives its numbers when its turn comes.
        of: the published tensors that it is made of.
    """

    dtype: torch.dtype
    shape: tuple[int, ...]
    make: Callable[[], Tensor]
    of: tuple[str, ...] = ()

    @property
    def nbytes(self) -> int:
        size = self.dtype.itemsize
        for side in self.shape:
            size *= side
        return size


def written(
    part: str,
    prefix: str,
    form: str,
    tensors: Mapping[str, Tensor],
    dtype: torch.dtype | None = None,
) -> dict[str, Written]:
    """A part's published tensors under the names of a single file.

    Args:
        prefix, form: as those of `Group`.
        dtype: of those with floating point; None as they are.

    Raises:
        CheckpointError: A tensor has no such name.
    """
    match part, form:
        case "unet", "ldm":
            return _renamed(prefix, tensors, UNetNames.of_diffusers(tensors).to_ldm, dtype)
        case "vae", "ldm":
            return _renamed(prefix, tensors, VAENames.of(tensors).to_ldm, dtype)
        case _, "openclip":
            return _openclip(prefix, tensors, dtype)
        case _:
            return {prefix + name: as_is(tensor, dtype, name) for name, tensor in tensors.items()}


def _renamed(
    prefix: str,
    tensors: Mapping[str, Tensor],
    rename: Callable[[str], str | None],
    dtype: torch.dtype | None,
) -> dict[str, Written]:
    found: dict[str, Written] = {}
    for name, tensor in tensors.items():
        original = rename(name)
        if original is None:
            raise CheckpointError(f"{shown(name)} has no name in single files")
        is_convolution = ".mid.attn_1." in original and tensor.ndim == 2
        found[prefix + original] = as_is(
            tensor[:, :, None, None] if is_convolution else tensor, dtype, name
        )
    return found


def _openclip(
    prefix: str, tensors: Mapping[str, Tensor], dtype: torch.dtype | None
) -> dict[str, Written]:
    found: dict[str, Written] = {}
    for name in tensors:
        original = text.to_openclip(name)
        if original is None:
            raise CheckpointError(f"{shown(name)} has no name in OpenCLIP's files")
        if prefix + original in found:
            continue
        of = text.to_published(original)
        joined = _joined([tensors[each] for each in of], dtype, original == "text_projection")
        found[prefix + original] = replace(joined, of=of)
    return found


def _joined(tensors: list[Tensor], dtype: torch.dtype | None, turned: bool) -> Written:
    first = tensors[0]
    rows = sum(len(tensor) for tensor in tensors)
    shape = first.shape[::-1] if turned else (rows, *first.shape[1:])
    kind = dtype or first.dtype

    def make() -> Tensor:
        whole = torch.cat(tensors) if len(tensors) > 1 else first
        return (whole.t() if turned else whole).to(kind)

    return Written(kind, tuple(shape), make)


def _keeps_dtype(name: str) -> bool:
    """Whether a tensor is no weight."""
    return "position_ids" in name or is_flag(name)


def as_is(tensor: Tensor, dtype: torch.dtype | None = None, name: str = "") -> Written:
    """A tensor of its own, which the published one `name` is; `dtype` as that of `written`."""
    convert = dtype is not None and tensor.is_floating_point() and not _keeps_dtype(name)
    kind = dtype if convert and dtype is not None else tensor.dtype
    return Written(kind, tuple(tensor.shape), lambda: tensor.to(kind), (name,))


def reshaped(each: Written, shape: tuple[int, ...]) -> Written:
    """The same numbers in another shape."""
    make = each.make
    return replace(each, shape=shape, make=lambda: make().reshape(shape))


def write_single_file(
    path: Path,
    tensors: Mapping[str, Written],
    metadata: Mapping[str, str],
    progress: Callable[[int, int], object] | None = None,
) -> None:
    """Write a safetensors file, one tensor in memory at a time.

    Args:
        progress: called with the bytes that are written and those of all.

    Raises:
        OutputError: The file cannot be written; what was there is whole.
    """
    # as safetensors' own writer orders them: wide dtypes first, so that all are aligned
    ordered = sorted(tensors.items(), key=lambda item: (-item[1].dtype.itemsize, item[0]))
    header: dict[str, object] = {"__metadata__": dict(metadata)}
    end = 0
    for name, each in ordered:
        header[name] = {
            "dtype": _BY_TORCH[str(each.dtype).removeprefix("torch.")],
            "shape": list(each.shape),
            "data_offsets": [end, end := end + each.nbytes],
        }
    encoded = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    encoded += b" " * (-len(encoded) % 8)
    with atomic(path) as temporary, temporary.open("wb") as file:
        file.write(struct.pack("<Q", len(encoded)) + encoded)
        done = 0
        for data in _bytes(each for _, each in ordered):
            file.write(data)
            done += len(data)
            if progress is not None:
                progress(done, end)


def _bytes(tensors: Iterable[Written]) -> Iterator[memoryview]:
    for each in tensors:
        tensor = each.make().contiguous()
        if tensor.numel():
            yield tensor.flatten().view(torch.uint8).numpy().data
